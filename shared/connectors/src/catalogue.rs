//! Which types of sources there are, and what each is told: the one declaration that
//! [`SourceSpec::parse`](crate::SourceSpec::parse) checks against and that clients are shown.

use domain::{SecretType, SourceType};
use serde_json::{Value, json};

use crate::OnMissing;

/// A type of source that clients may add.
#[derive(Debug)]
pub struct ConnectorType {
    /// The type.
    pub source_type: SourceType,
    /// Its name for people.
    pub name: &'static str,
    /// What it reads.
    pub description: &'static str,
    /// The settings in `source_config`; others are refused.
    pub fields: &'static [ConfigField],
    /// The secrets that it can use.
    pub secrets: &'static [SecretField],
    /// A `source_config` as somebody might send it.
    pub example: fn() -> Value,
}

/// A setting.
#[derive(Debug)]
pub struct ConfigField {
    /// Its name in `source_config`.
    pub name: &'static str,
    /// What may stand there, and what counts where nothing stands.
    pub value: FieldValue,
    /// What it does.
    pub description: &'static str,
}

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldValue {
    /// A text that cannot be left out.
    RequiredText,
    /// A text; empty by default.
    Text,
    /// True or false.
    Boolean {
        /// What counts where nothing stands.
        default: bool,
    },
    /// A list of texts; empty by default.
    TextList,
    /// One of these words; the first by default.
    Word(&'static [&'static str]),
}

/// A secret that a type can use.
#[derive(Debug)]
pub struct SecretField {
    /// Which one.
    pub secret_type: SecretType,
    /// Whether such a source can be read without.
    pub is_required: bool,
    /// What it opens.
    pub description: &'static str,
}

impl FieldValue {
    /// Its type: `text`, `boolean` or `text_list`; a word is a text.
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::RequiredText | Self::Text | Self::Word(_) => "text",
            Self::Boolean { .. } => "boolean",
            Self::TextList => "text_list",
        }
    }

    /// Whether a source cannot be described without.
    pub const fn is_required(self) -> bool {
        matches!(self, Self::RequiredText)
    }

    /// What counts where nothing stands; nothing for a required one.
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

impl ConnectorType {
    /// Every type that clients may add, by name.
    pub const ALL: &'static [Self] = &[
        Self {
            source_type: SourceType::Directory,
            name: "Directory",
            description: "The files of a folder that this installation can read.",
            fields: &[
                ConfigField {
                    name: "path",
                    value: FieldValue::RequiredText,
                    description: "The folder's absolute path, below one of the roots that the operator allows.",
                },
                ConfigField {
                    name: "recursive",
                    value: FieldValue::Boolean { default: true },
                    description: "Whether folders in it are read too.",
                },
                INCLUDE_PATTERNS,
                EXCLUDE_PATTERNS,
                ON_MISSING,
            ],
            secrets: &[],
            example: || json!({ "path": "/srv/docs", "recursive": true, "include_patterns": ["**/*.md"] }),
        },
        Self {
            source_type: SourceType::File,
            name: "File",
            description: "One file that this installation can read.",
            fields: &[ConfigField {
                name: "path",
                value: FieldValue::RequiredText,
                description: "The file's absolute path, below one of the roots that the operator allows.",
            }],
            secrets: &[],
            example: || json!({ "path": "/srv/docs/handbook.html" }),
        },
        Self {
            source_type: SourceType::S3,
            name: "S3",
            description: "The objects of a bucket that this installation can read.",
            fields: &[
                ConfigField {
                    name: "bucket",
                    value: FieldValue::RequiredText,
                    description: "The bucket's name.",
                },
                ConfigField {
                    name: "prefix",
                    value: FieldValue::Text,
                    description: "What the objects' keys start with; empty for all.",
                },
                INCLUDE_PATTERNS,
                EXCLUDE_PATTERNS,
                ON_MISSING,
            ],
            secrets: &[],
            example: || json!({ "bucket": "manuals", "prefix": "guides/", "exclude_patterns": ["drafts/**"] }),
        },
    ];

    /// The type with this name, if clients may add it.
    pub fn find(source_type: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|connector| connector.source_type.as_str() == source_type)
    }

    /// The names of all types, for messages.
    pub fn names() -> String {
        let names: Vec<&str> = Self::ALL.iter().map(|connector| connector.source_type.as_str()).collect();
        names.join(", ")
    }
}

const INCLUDE_PATTERNS: ConfigField = ConfigField {
    name: "include_patterns",
    value: FieldValue::TextList,
    description: "Only documents whose path within the source fits one of these globs; empty for all.",
};
const EXCLUDE_PATTERNS: ConfigField = ConfigField {
    name: "exclude_patterns",
    value: FieldValue::TextList,
    description: "No documents whose path within the source fits one of these globs.",
};
const ON_MISSING: ConfigField = ConfigField {
    name: "on_missing",
    value: FieldValue::Word(OnMissing::WORDS),
    description: "What becomes of documents that the source no longer has: remove takes them away, keep marks them as stale.",
};

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::SourceSpec;

    /// The example's settings that `keep` keeps.
    fn example(connector: &ConnectorType, keep: impl Fn(&ConfigField) -> bool) -> Value {
        let whole = (connector.example)();
        let mut settings = Map::new();
        for field in connector.fields.iter().filter(|field| keep(field)) {
            if let Some(value) = whole.get(field.name) {
                settings.insert(field.name.to_owned(), value.clone());
            }
        }
        Value::Object(settings)
    }

    fn parse(connector: &ConnectorType, config: &Value) -> Result<SourceSpec, crate::ConnectorError> {
        SourceSpec::parse(connector.source_type.as_str(), config)
    }

    #[test]
    fn every_type_but_uploads_is_in_the_catalogue_once() {
        let in_catalogue: Vec<SourceType> =
            ConnectorType::ALL.iter().map(|connector| connector.source_type).collect();
        for source_type in SourceType::ALL {
            let count = in_catalogue.iter().filter(|found| *found == source_type).count();
            assert_eq!(count, usize::from(*source_type != SourceType::Upload), "{source_type}");
        }
    }

    #[test]
    fn every_example_is_accepted_and_shows_declared_settings_only() {
        for connector in ConnectorType::ALL {
            let whole = (connector.example)();
            assert_eq!(parse(connector, &whole).unwrap().source_type(), connector.source_type);
            assert_eq!(example(connector, |_| true), whole);
        }
    }

    #[test]
    fn what_is_required_cannot_be_left_out_and_nothing_else_is_required() {
        for connector in ConnectorType::ALL {
            parse(connector, &example(connector, |field| field.value.is_required())).unwrap();
            for required in connector.fields.iter().filter(|field| field.value.is_required()) {
                let error = parse(connector, &example(connector, |field| field.name != required.name));
                assert_eq!(error.unwrap_err().field(), Some(required.name));
            }
        }
    }

    #[test]
    fn the_declared_defaults_are_those_that_count() {
        for connector in ConnectorType::ALL {
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
    fn a_value_of_another_type_is_refused_by_its_field() {
        for connector in ConnectorType::ALL {
            for field in connector.fields {
                let mut config = (connector.example)();
                config[field.name] = json!(7);
                assert_eq!(parse(connector, &config).unwrap_err().field(), Some(field.name));
            }
        }
    }
}
