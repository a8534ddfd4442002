//! What a connector declares: the catalogue that clients see and that settings are validated against.

use std::sync::Arc;

use domain::{SecretType, SourceType};
use serde_json::{Value, json};

use crate::connectors::CONNECTORS;
use crate::settings::Settings;
use crate::spec::Source;
use crate::{ConnectorError, OnMissing};

/// A type of source.
#[derive(Debug)]
pub struct Connector {
    /// The `source_type` of its sources.
    pub source_type: SourceType,
    /// Its name for users.
    pub name: &'static str,
    /// What it reads.
    pub description: &'static str,
    /// The settings in `source_config`; others are refused.
    pub fields: &'static [ConfigField],
    /// The secrets that it uses.
    pub secrets: &'static [SecretField],
    /// A valid `source_config`.
    pub example: fn() -> Value,
    /// The settings that a path stands for, if the connector reads such paths.
    pub(crate) settings_of_path: fn(&str) -> Option<Value>,
    /// Validates settings whose names and types are right, and may normalise them.
    pub(crate) parse: fn(&mut Settings) -> Result<Arc<dyn Source>, ConnectorError>,
}

/// A setting.
#[derive(Debug)]
pub struct ConfigField {
    /// Its name in `source_config`.
    pub name: &'static str,
    /// Its type and default.
    pub value: FieldValue,
    /// What it does.
    pub description: &'static str,
}

/// The type and default of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldValue {
    /// A required string.
    RequiredText,
    /// A string; empty by default.
    Text,
    /// A boolean.
    Boolean {
        /// The value if the setting is left out.
        default: bool,
    },
    /// A list of strings; empty by default.
    TextList,
    /// One of these strings; the first by default.
    Word(&'static [&'static str]),
}

/// A secret that a connector uses.
#[derive(Debug)]
pub struct SecretField {
    /// Its type.
    pub secret_type: SecretType,
    /// Whether no source can be read without it.
    pub is_required: bool,
    /// What it gives access to.
    pub description: &'static str,
}

impl Connector {
    /// Every connector, by name.
    pub fn all() -> &'static [&'static Self] {
        CONNECTORS
    }

    /// The connector of this source type.
    pub fn find(source_type: &str) -> Option<&'static Self> {
        CONNECTORS.iter().copied().find(|connector| connector.source_type.as_str() == source_type)
    }

    /// The source types of all connectors, for messages.
    pub fn names() -> String {
        let names: Vec<&str> = CONNECTORS.iter().map(|connector| connector.source_type.as_str()).collect();
        names.join(", ")
    }
}

impl FieldValue {
    /// The name of its type: `text`, `boolean` or `text_list`.
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::RequiredText | Self::Text | Self::Word(_) => "text",
            Self::Boolean { .. } => "boolean",
            Self::TextList => "text_list",
        }
    }

    /// Whether the setting must be given.
    pub const fn is_required(self) -> bool {
        matches!(self, Self::RequiredText)
    }

    /// The value if the setting is left out; `None` for a required one.
    pub fn default(self) -> Option<Value> {
        match self {
            Self::RequiredText => None,
            Self::Text => Some(json!("")),
            Self::Boolean { default } => Some(json!(default)),
            Self::TextList => Some(json!([])),
            Self::Word(words) => words.first().map(|word| json!(word)),
        }
    }
}

pub(crate) const INCLUDE_PATTERNS: ConfigField = ConfigField {
    name: "include_patterns",
    value: FieldValue::TextList,
    description: "Globs: only documents whose path within the source matches one of them; empty for all.",
};
pub(crate) const EXCLUDE_PATTERNS: ConfigField = ConfigField {
    name: "exclude_patterns",
    value: FieldValue::TextList,
    description: "Globs: no documents whose path within the source matches one of them.",
};
pub(crate) const ON_MISSING: ConfigField = ConfigField {
    name: OnMissing::FIELD,
    value: FieldValue::Word(OnMissing::WORDS),
    description: "What happens to documents that are gone from the source: `remove` deletes them, `keep` marks them as stale.",
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Map;

    use super::*;
    use crate::SourceSpec;

    /// The settings of the example whose fields `keep` selects.
    fn example(connector: &Connector, keep: impl Fn(&ConfigField) -> bool) -> Value {
        let whole = (connector.example)();
        let mut settings = Map::new();
        for field in connector.fields.iter().filter(|field| keep(field)) {
            if let Some(value) = whole.get(field.name) {
                settings.insert(field.name.to_owned(), value.clone());
            }
        }
        Value::Object(settings)
    }

    fn parse(connector: &Connector, config: &Value) -> Result<SourceSpec, ConnectorError> {
        SourceSpec::parse(connector.source_type.as_str(), config)
    }

    #[test]
    fn source_types_are_unique_sorted_and_not_that_of_uploads() {
        let listed: Vec<&str> =
            Connector::all().iter().map(|connector| connector.source_type.as_str()).collect();
        let sorted: BTreeSet<&str> = listed.iter().copied().collect();
        assert_eq!(listed, sorted.into_iter().collect::<Vec<_>>());
        assert!(!listed.contains(&SourceType::UPLOAD.as_str()));
    }

    #[test]
    fn every_example_is_valid_and_has_declared_settings_only() {
        for connector in Connector::all() {
            let whole = (connector.example)();
            assert_eq!(parse(connector, &whole).unwrap().source_type(), &connector.source_type);
            assert_eq!(example(connector, |_| true), whole);
        }
    }

    #[test]
    fn required_settings_and_no_others_must_be_given() {
        for connector in Connector::all() {
            parse(connector, &example(connector, |field| field.value.is_required())).unwrap();
            for required in connector.fields.iter().filter(|field| field.value.is_required()) {
                let error = parse(connector, &example(connector, |field| field.name != required.name));
                assert_eq!(error.unwrap_err().field(), Some(required.name));
            }
        }
    }

    #[test]
    fn declared_defaults_apply() {
        for connector in Connector::all() {
            let least = example(connector, |field| field.value.is_required());
            let config = parse(connector, &least).unwrap().to_config();
            let names: Vec<&str> = config.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(names, connector.fields.iter().map(|field| field.name).collect::<Vec<_>>());
            for field in connector.fields {
                let expected = field.value.default().unwrap_or_else(|| least[field.name].clone());
                assert_eq!(config[field.name], expected, "{} {}", connector.name, field.name);
            }
        }
    }

    #[test]
    fn value_of_another_type_is_refused_with_its_field() {
        for connector in Connector::all() {
            for field in connector.fields {
                let mut config = (connector.example)();
                config[field.name] = json!(7);
                assert_eq!(parse(connector, &config).unwrap_err().field(), Some(field.name));
            }
        }
    }
}
