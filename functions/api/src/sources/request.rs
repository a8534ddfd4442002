//! What clients say of a source that they add.

use std::path::PathBuf;

use connectors::{ConnectorError, ConnectorType, SourceSpec, refuse_staging_bucket};
use lambda::http::ApiError;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::secrets::{self, SecretsRequest};
use crate::State;

/// A source to read: `source_type` with `source_config`, or `source_path` alone.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"source_type": "s3", "source_config": {"bucket": "manuals", "prefix": "guides/"}}))]
pub(crate) struct AddSourceRequest {
    /// `file`, `directory` or `s3`.
    source_type: Option<String>,
    /// For `file`: `path`. For `directory`: `path`, `recursive`, `include_patterns`,
    /// `exclude_patterns`. For `s3`: `bucket`, `prefix` and the patterns.
    #[schema(value_type = Option<Object>)]
    source_config: Option<Map<String, Value>>,
    /// A folder, or `s3://bucket/prefix`.
    source_path: Option<String>,
    /// Further settings of the source, beside `source_path`.
    #[schema(value_type = Option<Object>)]
    config: Option<Map<String, Value>>,
    /// There before its first run.
    #[schema(schema_with = secrets::schema)]
    pub(crate) secrets: Option<SecretsRequest>,
}

impl AddSourceRequest {
    /// What it describes.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub(crate) fn into_spec(self) -> Result<SourceSpec, ApiError> {
        let (source_type, source_config) = match (self.source_type, self.source_path) {
            (Some(source_type), None) => (source_type, self.source_config.unwrap_or_default()),
            (None, Some(source_path)) => describe_path(source_path, self.config.unwrap_or_default()),
            // Both, where the path only repeats what the settings say.
            (Some(source_type), Some(source_path)) => {
                let mut config = self.source_config.unwrap_or_default();
                if config.is_empty() {
                    config = describe_path(source_path, config).1;
                }
                (source_type, config)
            }
            (None, None) => {
                return Err(ApiError::invalid_field(
                    "source_type",
                    format!("is missing; send one of {} with source_config", ConnectorType::names()),
                ));
            }
        };
        SourceSpec::parse(&source_type, &Value::Object(source_config)).map_err(explain)
    }
}

fn describe_path(source_path: String, mut config: Map<String, Value>) -> (String, Map<String, Value>) {
    if let Some(location) = source_path.strip_prefix("s3://") {
        let (bucket, prefix) = location.split_once('/').unwrap_or((location, ""));
        config.insert("bucket".to_owned(), bucket.into());
        config.insert("prefix".to_owned(), prefix.into());
        return ("s3".to_owned(), config);
    }
    config.insert("path".to_owned(), source_path.into());
    ("directory".to_owned(), config)
}

/// Refuses what no collection may read: the staging bucket, and paths outside the roots. Early and by
/// name only; scan looks at what a path really leads to.
pub(crate) fn refuse_forbidden(state: &State, spec: &SourceSpec) -> Result<(), ApiError> {
    refuse_staging_bucket(spec, state.artifacts.bucket()).map_err(explain)?;
    refuse_outside_roots(spec, &state.limits.directory_roots)
}

fn refuse_outside_roots(spec: &SourceSpec, roots: &[PathBuf]) -> Result<(), ApiError> {
    let (SourceSpec::File { path } | SourceSpec::Directory { path, .. }) = spec else {
        return Ok(());
    };
    if roots.iter().any(|root| path.starts_with(root)) {
        return Ok(());
    }
    let allowed: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
    let message = if allowed.is_empty() {
        format!("{path:?} came; this installation reads no directories (its operator set no DIRECTORY_ROOTS)")
    } else {
        format!("{path:?} came; paths below {} are allowed", allowed.join(", "))
    };
    Err(ApiError::invalid_field("source_config.path", message))
}

/// Names the field as the request has it.
pub(crate) fn explain(error: ConnectorError) -> ApiError {
    match error {
        ConnectorError::Invalid { field, message } => {
            let nested = !field.starts_with("source_");
            let field = if nested { format!("source_config.{field}") } else { field.to_owned() };
            ApiError::invalid_field(field, message)
        }
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
    fn the_old_form_means_a_folder_or_a_bucket() {
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
    fn refusals_name_the_nested_field() {
        let refusals: Vec<String> = [
            json!({}),
            json!({"source_type": "gopher"}),
            json!({"source_type": "directory", "source_config": {"path": "docs"}}),
        ]
        .into_iter()
        .map(|request| spec(request).unwrap_err().detail().to_owned())
        .collect();
        insta::assert_snapshot!(refusals.join("\n"), @r#"
        source_type: is missing; send one of directory, file, s3 with source_config
        source_type: "gopher" is not known; allowed: directory, file, s3
        source_config.path: "docs" came; an absolute path without ".." below one of the configured roots is allowed
        "#);
    }

    #[test]
    fn paths_lie_below_a_root() {
        let inside = spec(json!({"source_path": "/srv/docs/a"})).unwrap();
        let roots = [PathBuf::from("/srv/docs")];
        assert!(refuse_outside_roots(&inside, &roots).is_ok());
        let beside = spec(json!({"source_path": "/srv/docs2"})).unwrap();
        assert!(refuse_outside_roots(&beside, &roots).unwrap_err().detail().contains("below /srv/docs"));
        assert!(refuse_outside_roots(&inside, &[]).unwrap_err().detail().contains("DIRECTORY_ROOTS"));
    }
}
