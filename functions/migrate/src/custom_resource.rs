//! CloudFormation's side of the talk:
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html>.

use serde::{Deserialize, Serialize};

/// What CloudFormation wants done with the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum RequestType {
    Create,
    Update,
    Delete,
    /// One that this version does not know: answered, not ignored.
    #[serde(other)]
    Unknown,
}

/// A request, as far as it concerns us.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Request {
    pub(crate) request_type: RequestType,
    #[serde(rename = "ResponseURL")]
    pub(crate) response_url: String,
    pub(crate) stack_id: String,
    pub(crate) request_id: String,
    pub(crate) logical_resource_id: String,
    #[serde(default)]
    pub(crate) physical_resource_id: Option<String>,
}

/// The answer that is put to the request's `ResponseURL`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Answer {
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    pub(crate) physical_resource_id: String,
    pub(crate) stack_id: String,
    pub(crate) request_id: String,
    pub(crate) logical_resource_id: String,
    pub(crate) data: Data,
}

/// What the template can read of the resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Data {
    /// The schema's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
}

impl Answer {
    /// The answer to a request: the schema's version, or the reason of a failure.
    pub(crate) fn to(request: &Request, outcome: Result<Option<i64>, String>) -> Self {
        let (status, reason, version) = match outcome {
            Ok(version) => ("SUCCESS", None, version),
            Err(reason) => ("FAILED", Some(reason), None),
        };
        // Never another one: a changed id would make CloudFormation delete the old resource.
        let physical_resource_id =
            request.physical_resource_id.clone().unwrap_or_else(|| "semantik-schema".to_owned());
        Self {
            status,
            reason,
            physical_resource_id,
            stack_id: request.stack_id.clone(),
            request_id: request.request_id.clone(),
            logical_resource_id: request.logical_resource_id.clone(),
            data: Data { version: version.map(|version| version.to_string()) },
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_json_snapshot;

    use super::*;

    fn recorded() -> Request {
        serde_json::from_str(include_str!("../../../events/migrate.json")).unwrap()
    }

    #[test]
    fn a_recorded_request_is_answered_with_the_version() {
        let request = recorded();
        assert_eq!(request.request_type, RequestType::Create);
        assert_json_snapshot!(Answer::to(&request, Ok(Some(20_261_123_000_008))), @r#"
        {
          "Status": "SUCCESS",
          "PhysicalResourceId": "semantik-schema",
          "StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/semantik/51af3dc0-da77-11e4-872e-1234567db123",
          "RequestId": "5478ff45-6a1b-4c08-b1b7-0a1f5b2c3d4e",
          "LogicalResourceId": "Migration",
          "Data": {
            "Version": "20261123000008"
          }
        }
        "#);
    }

    #[test]
    fn a_failure_keeps_the_resources_id_and_says_why() {
        let mut request = recorded();
        request.physical_resource_id = Some("as-before".to_owned());
        let answer = Answer::to(&request, Err("the database does not answer".to_owned()));
        assert_eq!((answer.status, answer.physical_resource_id.as_str()), ("FAILED", "as-before"));
        assert_eq!(answer.reason.as_deref(), Some("the database does not answer"));
    }
}
