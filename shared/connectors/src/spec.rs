//! One source with validated settings.

use std::sync::Arc;

use domain::{OnMissing, SecretType, ServerPlace, SourceType};
use serde_json::Value;

use crate::settings::{Settings, check_bounds};
use crate::source::Source;
use crate::{Connector, ConnectorError, SecretField, Secrets, SourcePolicy};

/// A source with validated settings. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    connector: &'static Connector,
    settings: Settings,
    pub(crate) source: Arc<dyn Source>,
    pub(crate) grants: Arc<[ServerPlace]>,
    pub(crate) secrets: Secrets,
}

impl SourceSpec {
    /// Validates the settings of a source to store. Lists and texts are bounded, which stored settings of earlier versions
    /// need not be.
    ///
    /// # Errors
    /// Returns `Invalid` with the field if the type is unknown or a setting is wrong.
    pub fn parse_new(source_type: &str, source_config: &Value) -> Result<Self, ConnectorError> {
        if let Some(connector) = Connector::find(source_type) {
            check_bounds(connector.fields, source_config)?;
        }
        Self::parse(source_type, source_config)
    }

    /// Validates a source's settings.
    ///
    /// # Errors
    /// Returns `Invalid` with the field if the type is unknown or a setting is wrong.
    pub fn parse(source_type: &str, source_config: &Value) -> Result<Self, ConnectorError> {
        let Some(connector) = Connector::find(source_type) else {
            let message = format!("unknown value; {} allowed, got {source_type:?}", Connector::names());
            return Err(ConnectorError::invalid("source_type", message));
        };
        let mut settings = Settings::read(connector.fields, source_config)?;
        let source = (connector.parse)(&mut settings)?;
        Ok(Self { connector, settings, source, grants: Arc::default(), secrets: Secrets::default() })
    }

    /// The type and the settings that a path stands for: a folder, or the URI of a bucket.
    ///
    /// # Errors
    /// Returns `Invalid` if no connector reads such paths.
    pub fn describe_path(source_path: &str) -> Result<(&'static SourceType, Value), ConnectorError> {
        let described = Connector::all().iter().find_map(|connector| {
            let settings = (connector.settings_of_path)(source_path)?;
            Some((&connector.source_type, settings))
        });
        described.ok_or_else(|| {
            let message = format!(
                "no connector reads such paths; send source_type with source_config, got {source_path:?}"
            );
            ConnectorError::invalid("source_path", message)
        })
    }

    /// The source's type.
    pub fn source_type(&self) -> &'static SourceType {
        &self.connector.source_type
    }

    /// What happens to documents that are gone; `None` for a source that has no such setting.
    pub fn on_missing(&self) -> Option<OnMissing> {
        let is_known = self.settings.as_map().contains_key(OnMissing::FIELD);
        is_known.then(|| self.settings.text(OnMissing::FIELD).parse().unwrap_or(OnMissing::Remove))
    }

    /// Identifies the source within its collection: a path, or a URI such as `s3://bucket/prefix`.
    pub fn source_path(&self) -> String {
        self.source.source_path()
    }

    /// The settings with defaults filled in; [`Self::parse`] reads them back.
    pub fn to_config(&self) -> Value {
        Value::Object(self.settings.as_map().clone())
    }

    /// Refuses a source that the operator does not allow, by its settings alone. [`crate::Connectors`] also
    /// checks where a path really leads.
    ///
    /// # Errors
    /// Returns `Invalid` for buckets of this installation and for paths outside the configured roots.
    pub fn authorize(&self, policy: &SourcePolicy) -> Result<(), ConnectorError> {
        self.source.authorize(policy)
    }
}

impl SourceSpec {
    /// Returns the source with what it may read. Without grants, it reads nothing.
    pub fn granted(self, grants: Vec<ServerPlace>) -> Self {
        Self { grants: grants.into(), ..self }
    }

    /// Returns the source with the secrets that it is read with.
    pub fn with_secrets(self, secrets: Secrets) -> Self {
        Self { secrets, ..self }
    }

    /// The place on the server's side that the source reads; `None` if it reads elsewhere.
    pub fn place(&self) -> Option<ServerPlace> {
        self.source.place()
    }

    /// The most pages that are visited, if its documents are found by visiting one page after the other: its listing
    /// visits [`crate::Listing::due`].
    pub fn crawl_limit(&self) -> Option<usize> {
        self.source.crawl_limit()
    }

    /// The secrets that its connector takes.
    pub fn secret_fields(&self) -> &'static [SecretField] {
        self.connector.secrets
    }

    /// Refuses to read a source one of whose required secrets is not set.
    ///
    /// # Errors
    /// Returns `SecretMissing`.
    pub fn require_secrets(&self, is_set: impl Fn(SecretType) -> bool) -> Result<(), ConnectorError> {
        let missing =
            self.secret_fields().iter().find(|field| field.is_required && !is_set(field.secret_type));
        missing.map_or(Ok(()), |field| Err(ConnectorError::SecretMissing { secret_type: field.secret_type }))
    }

    /// Refuses a source that no grant covers.
    ///
    /// # Errors
    /// Returns `Forbidden` if it reads a place and none of [`Self::granted`] covers it.
    pub fn require_grant(&self) -> Result<(), ConnectorError> {
        let Some(place) = self.place() else {
            return Ok(());
        };
        if self.grants.iter().any(|grant| grant.covers(&place)) {
            return Ok(());
        }
        Err(ConnectorError::not_granted(&place))
    }
}

impl PartialEq for SourceSpec {
    fn eq(&self, other: &Self) -> bool {
        self.source_type() == other.source_type() && self.settings == other.settings
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn config_parses_back_to_the_same_spec() {
        for connector in Connector::all() {
            let source_type = connector.source_type.as_str();
            let spec = SourceSpec::parse(source_type, &(connector.example)()).unwrap();
            assert_eq!(SourceSpec::parse(source_type, &spec.to_config()).unwrap(), spec);
        }
    }

    #[test]
    fn errors_name_the_field_the_problem_and_what_is_allowed() {
        for (source_type, config, field, words) in [
            ("gopher", json!({}), "source_type", ["gopher", "directory, file, "]),
            ("directory", json!([]), "source_config", ["wrong type", "object"]),
            ("directory", json!({ "path": "/a", "recursive": "yes" }), "recursive", ["yes", "true or false"]),
            ("directory", json!({}), "path", ["is", "required"]),
            (
                "directory",
                json!({ "path": "/a", "on_missing": "hide" }),
                "on_missing",
                ["hide", "remove or keep"],
            ),
            ("s3", json!({ "bucket": "abc", "region": "x" }), "source_config", ["region", "prefix"]),
            (
                "directory",
                json!({ "path": "/a", "include_patterns": [1] }),
                "include_patterns",
                ["1", "strings"],
            ),
        ] {
            let error = SourceSpec::parse(source_type, &config).unwrap_err();
            assert_eq!(error.field(), Some(field), "{error}");
            assert!(words.iter().all(|word| error.to_string().contains(word)), "{error}");
        }
    }

    #[test]
    fn path_of_no_connector_is_refused() {
        let error = SourceSpec::describe_path("gopher://example.org").unwrap_err();
        assert_eq!(error.field(), Some("source_path"));
    }

    #[test]
    fn new_settings_have_bounded_lists_and_texts() {
        let bucket = |field: &str, value: Value| {
            let config = json!({ "bucket": "manuals", field: value });
            (SourceSpec::parse_new("s3", &config).map(|_| ()).map_err(|error| error.to_string()), config)
        };
        assert_eq!(bucket("include_patterns", json!(vec!["*.md"; 100])).0, Ok(()));
        for (field, value, expected) in [
            (
                "include_patterns",
                json!(vec!["*.md"; 101]),
                "include_patterns: wrong number of items; at most 100 allowed, got 101",
            ),
            (
                "exclude_patterns",
                json!(["a", "x".repeat(257)]),
                "exclude_patterns: too long; at most 256 bytes per entry allowed, got 257",
            ),
            ("prefix", json!("x".repeat(5000)), "prefix: too long; at most 4096 bytes allowed, got 5000"),
        ] {
            assert_eq!(bucket(field, value).0.unwrap_err(), expected);
        }
        // Stored settings are read whatever their length.
        let (_, stored) = bucket("include_patterns", json!(vec!["*.md"; 101]));
        assert!(SourceSpec::parse("s3", &stored).is_ok());
    }
}
