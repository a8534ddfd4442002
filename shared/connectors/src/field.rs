//! The settings and secrets that connectors declare.

use domain::{OnMissing, SecretType};
use serde_json::{Value, json};

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
    /// A required list of strings.
    RequiredTextList,
    /// A required list of URLs.
    RequiredUrls,
    /// A whole number.
    Integer {
        /// The value if the setting is left out.
        default: i64,
        /// The smallest value allowed.
        min: i64,
        /// The largest value allowed.
        max: i64,
    },
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

/// The default first.
const ON_MISSING_WORDS: &[&str] = &[OnMissing::Remove.as_str(), OnMissing::Keep.as_str()];

impl FieldValue {
    /// The name of its type: `text`, `boolean`, `integer` or `text_list`.
    pub const fn type_name(self) -> &'static str {
        match self {
            Self::RequiredText | Self::Text | Self::Word(_) => "text",
            Self::Boolean { .. } => "boolean",
            Self::Integer { .. } => "integer",
            Self::TextList | Self::RequiredTextList | Self::RequiredUrls => "text_list",
        }
    }

    /// Whether the setting must be given.
    pub const fn is_required(self) -> bool {
        matches!(self, Self::RequiredText | Self::RequiredTextList | Self::RequiredUrls)
    }

    /// The value if the setting is left out; `None` for a required one.
    pub fn default(self) -> Option<Value> {
        match self {
            Self::RequiredText | Self::RequiredTextList | Self::RequiredUrls => None,
            Self::Integer { default, .. } => Some(json!(default)),
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
    description: "Globs: only documents whose path within the source matches one of them; empty for all. At most 100 of 256 bytes.",
};
pub(crate) const EXCLUDE_PATTERNS: ConfigField = ConfigField {
    name: "exclude_patterns",
    value: FieldValue::TextList,
    description: "Globs: no documents whose path within the source matches one of them. At most 100 of 256 bytes.",
};
pub(crate) const ON_MISSING: ConfigField = ConfigField {
    name: OnMissing::FIELD,
    value: FieldValue::Word(ON_MISSING_WORDS),
    description: "What happens to documents that are gone from the source: `remove` deletes them, `keep` marks them as stale.",
};
