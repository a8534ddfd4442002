//! Requests and responses of a CloudFormation custom resource:
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html>.

use serde::Serialize;
use serde_json::Value;

/// Characters of a reason: a response has at most 4 KB.
const MAX_REASON: usize = 1000;

/// What to do with the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestType {
    Create,
    Update,
    Delete,
    /// Unknown to this version. It gets a failure as response, because CloudFormation would wait for one.
    Unknown,
}

/// The fields of a request that are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) request_type: RequestType,
    pub(crate) response_url: String,
    pub(crate) stack_id: String,
    pub(crate) request_id: String,
    pub(crate) logical_resource_id: String,
    pub(crate) physical_resource_id: Option<String>,
}

impl Request {
    /// Reads the fields of an event that says where to send the response, else returns `None`. A field that is missing is
    /// empty: CloudFormation waits for a response to a request that is malformed, too.
    pub(crate) fn read(event: &Value) -> Option<Self> {
        let text = |name: &str| event[name].as_str().map(str::to_owned);
        Some(Self {
            response_url: text("ResponseURL")?,
            request_type: match event["RequestType"].as_str() {
                Some("Create") => RequestType::Create,
                Some("Update") => RequestType::Update,
                Some("Delete") => RequestType::Delete,
                _ => RequestType::Unknown,
            },
            stack_id: text("StackId").unwrap_or_default(),
            request_id: text("RequestId").unwrap_or_default(),
            logical_resource_id: text("LogicalResourceId").unwrap_or_default(),
            physical_resource_id: text("PhysicalResourceId"),
        })
    }
}

/// The response, which is PUT to the request's `ResponseURL`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CloudFormationResponse {
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    pub(crate) physical_resource_id: String,
    pub(crate) stack_id: String,
    pub(crate) request_id: String,
    pub(crate) logical_resource_id: String,
    pub(crate) data: Data,
}

/// The attributes of the resource that the template can read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Data {
    /// The schema's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
}

impl CloudFormationResponse {
    /// Returns the response to a request: the schema's version, or the reason of the failure.
    pub(crate) fn to(request: &Request, outcome: Result<Option<i64>, String>) -> Self {
        let (status, reason, version) = match outcome {
            Ok(version) => ("SUCCESS", None, version),
            Err(reason) => ("FAILED", Some(reason.chars().take(MAX_REASON).collect()), None),
        };
        // Always the same: CloudFormation deletes the old resource when the id changes.
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
        let event: Value = serde_json::from_str(include_str!("../../../events/migrate.json")).unwrap();
        Request::read(&event).unwrap()
    }

    #[test]
    fn the_response_to_a_recorded_request_has_the_version() {
        let request = recorded();
        assert_eq!(request.request_type, RequestType::Create);
        assert_json_snapshot!(CloudFormationResponse::to(&request, Ok(Some(20_261_123_000_008))), @r#"
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
    fn a_failure_keeps_the_resource_id_and_has_the_reason() {
        let mut request = recorded();
        request.physical_resource_id = Some("as-before".to_owned());
        let response = CloudFormationResponse::to(&request, Err("the database cannot be reached".to_owned()));
        assert_eq!((response.status, response.physical_resource_id.as_str()), ("FAILED", "as-before"));
        assert_eq!(response.reason.as_deref(), Some("the database cannot be reached"));
    }
}
