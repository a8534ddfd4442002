//! The request that adds a source.

use access::Caller;
use connectors::{Connector, ConnectorError, SourceSpec};
use db::sources::SourceGrants;
use lambda::http::ApiError;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::secrets::{self, SecretsRequest};
use crate::State;
use crate::openapi::words;

/// A source to read: `source_type` with `source_config`, or `source_path` alone.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"source_type": "s3", "source_config": {"bucket": "manuals", "prefix": "guides/"}}))]
pub(crate) struct AddSourceRequest {
    /// A connector, see `GET /api/v2/connectors`.
    #[schema(value_type = Option<words::ConnectorType>)]
    source_type: Option<String>,
    /// The connector's settings, see `GET /api/v2/connectors`.
    #[schema(value_type = Option<Object>)]
    source_config: Option<Map<String, Value>>,
    /// A folder, or `s3://bucket/prefix`: short for a source of that type.
    source_path: Option<String>,
    /// Further settings beside `source_path`.
    #[schema(value_type = Option<Object>)]
    config: Option<Map<String, Value>>,
    /// Stored before the source is read.
    #[schema(schema_with = secrets::schema)]
    pub(crate) secrets: Option<SecretsRequest>,
}

impl AddSourceRequest {
    /// A source of this type with these settings.
    pub(crate) fn of_type(source_type: Option<String>, source_config: Option<Map<String, Value>>) -> Self {
        Self { source_type, source_config, source_path: None, config: None, secrets: None }
    }

    /// Validates the source.
    ///
    /// # Errors
    /// Returns 422 with the field that is wrong.
    pub(crate) fn into_spec(self) -> Result<SourceSpec, ApiError> {
        let (source_type, source_config) = match (self.source_type, self.source_path) {
            (Some(source_type), None) => (source_type, self.source_config.unwrap_or_default()),
            (None, Some(source_path)) => describe_path(&source_path, self.config.unwrap_or_default())?,
            // Both, where the path only repeats the settings.
            (Some(source_type), Some(source_path)) => {
                let mut config = self.source_config.unwrap_or_default();
                if config.is_empty() {
                    config = describe_path(&source_path, config)?.1;
                }
                (source_type, config)
            }
            (None, None) => {
                return Err(ApiError::invalid_field(
                    "source_type",
                    format!("is required; send one of {} with source_config", Connector::names()),
                ));
            }
        };
        SourceSpec::parse_new(&source_type, &Value::Object(source_config)).map_err(explain)
    }
}

/// The type that a path stands for, and its settings beside the given ones.
fn describe_path(
    source_path: &str,
    mut config: Map<String, Value>,
) -> Result<(String, Map<String, Value>), ApiError> {
    let (source_type, described) = SourceSpec::describe_path(source_path).map_err(explain)?;
    if let Value::Object(described) = described {
        config.extend(described);
    }
    Ok((source_type.to_string(), config))
}

/// Refuses what no collection may read: buckets of this installation, and paths outside the roots; and what the
/// user was not granted. By name only; the scan function checks where a path really leads, and that the grant
/// still exists. Returns the source with what it may read.
pub(crate) async fn authorize(
    state: &State,
    mut grants: SourceGrants<'_>,
    caller: &Caller,
    spec: &SourceSpec,
) -> Result<SourceSpec, ApiError> {
    spec.authorize(&state.source_policy).map_err(explain)?;
    let granted = grants.of_user(caller.principal.user_id).await?;
    let spec = spec.clone().granted(granted);
    spec.require_grant().map_err(explain)?;
    Ok(spec)
}

/// Names the field as in the request.
pub(crate) fn explain(error: ConnectorError) -> ApiError {
    match error {
        ConnectorError::Invalid { field, message } => {
            let nested = !field.starts_with("source_");
            let field = if nested { format!("source_config.{field}") } else { field.to_owned() };
            ApiError::invalid_field(field, message)
        }
        ConnectorError::SecretMissing { secret_type } => ApiError::invalid_field(
            format!("secrets.{secret_type}"),
            "is required; this type of source cannot be read without it",
        ),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(request: Value) -> Result<SourceSpec, ApiError> {
        serde_json::from_value::<AddSourceRequest>(request).unwrap().into_spec()
    }

    #[test]
    fn source_path_alone_means_a_folder_or_a_bucket() {
        let folder = spec(json!({"source_path": "/srv/docs", "config": {"recursive": false}})).unwrap();
        assert_eq!(folder, spec(json!({"source_type": "directory", "source_config": {"path": "/srv/docs", "recursive": false}})).unwrap());
        let bucket = spec(json!({"source_path": "s3://manuals/a/b"})).unwrap();
        assert_eq!(
            bucket,
            spec(json!({"source_type": "s3", "source_config": {"bucket": "manuals", "prefix": "a/b"}}))
                .unwrap()
        );
    }

    #[test]
    fn errors_name_the_nested_field() {
        let connectors = Connector::names();
        for (request, expected) in [
            (json!({}), format!("source_type: is required; send one of {connectors} with source_config")),
            (
                json!({"source_type": "gopher"}),
                format!(r#"source_type: unknown value; {connectors} allowed, got "gopher""#),
            ),
            (
                json!({"source_type": "directory", "source_config": {"path": "docs"}}),
                r#"source_config.path: wrong path; an absolute path without ".." allowed, got "docs""#
                    .to_owned(),
            ),
        ] {
            assert_eq!(spec(request).unwrap_err().detail(), expected);
        }
    }
}
