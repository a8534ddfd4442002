//! Metadata that clients attach to documents: key-value pairs that searches can filter by. The filter key
//! is `attributes`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

/// The metadata of a document. Input from clients is validated by [`DocumentMetadata::parse`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DocumentMetadata(BTreeMap<String, MetadataValue>);

/// A metadata value. Values of different types differ: 7 is not "7".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MetadataValue {
    /// A boolean.
    Flag(bool),
    /// An integer.
    Integer(i64),
    /// A string.
    Text(String),
}

/// A metadata entry that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MetadataError {
    /// The document has too many entries.
    #[error("too many entries; at most {} allowed, got {got}", DocumentMetadata::MAX_ENTRIES)]
    TooMany {
        /// Number of entries received.
        got: usize,
    },
    /// The key cannot be used in a filter.
    #[error(
        "wrong key; 1 to {} of A-Z, a-z, 0-9, '_', '.' and '-' allowed, got {key:?}",
        DocumentMetadata::MAX_KEY_LENGTH
    )]
    Key {
        /// The key received.
        key: String,
    },
    /// The value has a type that cannot be filtered by.
    #[error("{key:?} has a wrong type; a string, a 64-bit integer or a boolean allowed, got {got}")]
    Type {
        /// Its key.
        key: String,
        /// The type received.
        got: &'static str,
    },
    /// The string is too long.
    #[error(
        "{key:?} is too long; at most {} characters allowed, got {got}",
        DocumentMetadata::MAX_TEXT_LENGTH
    )]
    TooLong {
        /// Its key.
        key: String,
        /// Its length in characters.
        got: usize,
    },
    /// The string contains U+0000, which PostgreSQL cannot store.
    #[error("{key:?} contains a NUL character; every other character is allowed")]
    Nul {
        /// Its key.
        key: String,
    },
}

impl DocumentMetadata {
    /// Maximum number of entries of a document; every point of the document has them in its payload.
    pub const MAX_ENTRIES: usize = 32;
    /// Maximum length of a key.
    pub const MAX_KEY_LENGTH: usize = 64;
    /// Maximum length of a string, in characters.
    pub const MAX_TEXT_LENGTH: usize = 256;
    /// Number of errors after which validation stops.
    const MAX_ERRORS: usize = 20;

    /// Validates metadata sent by a client.
    ///
    /// # Errors
    /// Returns the invalid entries, the first twenty or so, with what is allowed and what was received.
    pub fn parse(object: &Map<String, Value>) -> Result<Self, Vec<MetadataError>> {
        let mut errors = Vec::new();
        if object.len() > Self::MAX_ENTRIES {
            errors.push(MetadataError::TooMany { got: object.len() });
        }
        let mut metadata = BTreeMap::new();
        for (key, value) in object {
            if errors.len() >= Self::MAX_ERRORS {
                break;
            }
            if !is_metadata_key(key) {
                errors.push(MetadataError::Key { key: key.clone() });
            }
            match MetadataValue::parse(key, value) {
                Ok(value) => drop(metadata.insert(key.clone(), value)),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(Self(metadata)) } else { Err(errors) }
    }

    /// Returns each entry as a keyword, see [`metadata_keyword`].
    pub fn keywords(&self) -> Vec<String> {
        self.0.iter().map(|(key, value)| metadata_keyword(key, value)).collect()
    }
}

impl MetadataValue {
    /// Validates the value of `key` sent by a client.
    ///
    /// # Errors
    /// Returns what is allowed and what was received.
    pub fn parse(key: &str, value: &Value) -> Result<Self, MetadataError> {
        let wrong = |got| Err(MetadataError::Type { key: key.to_owned(), got });
        match value {
            Value::Bool(flag) => Ok(Self::Flag(*flag)),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => Ok(Self::Integer(integer)),
                None => wrong("another number"),
            },
            Value::String(text) => {
                let got = text.chars().count();
                if got > DocumentMetadata::MAX_TEXT_LENGTH {
                    return Err(MetadataError::TooLong { key: key.to_owned(), got });
                }
                if text.contains('\0') {
                    return Err(MetadataError::Nul { key: key.to_owned() });
                }
                Ok(Self::Text(text.clone()))
            }
            Value::Null => wrong("null"),
            Value::Array(_) => wrong("a list"),
            Value::Object(_) => wrong("an object"),
        }
    }
}

/// As JSON, so that values of different types differ.
impl fmt::Display for MetadataValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(formatter, "{flag}"),
            Self::Integer(integer) => write!(formatter, "{integer}"),
            Self::Text(text) => write!(formatter, "{}", Value::from(text.as_str())),
        }
    }
}

/// Returns whether this is a valid metadata key.
pub fn is_metadata_key(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=DocumentMetadata::MAX_KEY_LENGTH).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// Returns a metadata entry as one keyword, `key=value` with the value as JSON. Points carry these and
/// filters match them, so one index serves all keys. A key cannot contain `=`, so keywords are unambiguous.
pub fn metadata_keyword(key: &str, value: &MetadataValue) -> String {
    format!("{key}={value}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Result<DocumentMetadata, String> {
        let joined = |errors: Vec<MetadataError>| {
            errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        DocumentMetadata::parse(value.as_object().unwrap()).map_err(joined)
    }

    #[test]
    fn all_errors_are_returned_at_once() {
        let errors = parse(&json!({
            "": true, "a b": 1, "fine": "é".repeat(256), "fraction": 1.5, "huge": u64::MAX, "list": [1],
            "long": "é".repeat(257), "none": null, "nul": "a\0", "object": {},
        }));
        insta::assert_snapshot!(errors.unwrap_err(), @r#"
        wrong key; 1 to 64 of A-Z, a-z, 0-9, '_', '.' and '-' allowed, got ""
        wrong key; 1 to 64 of A-Z, a-z, 0-9, '_', '.' and '-' allowed, got "a b"
        "fraction" has a wrong type; a string, a 64-bit integer or a boolean allowed, got another number
        "huge" has a wrong type; a string, a 64-bit integer or a boolean allowed, got another number
        "list" has a wrong type; a string, a 64-bit integer or a boolean allowed, got a list
        "long" is too long; at most 256 characters allowed, got 257
        "none" has a wrong type; a string, a 64-bit integer or a boolean allowed, got null
        "nul" contains a NUL character; every other character is allowed
        "object" has a wrong type; a string, a 64-bit integer or a boolean allowed, got an object
        "#);
        let many: Map<String, Value> = (0..33).map(|n| (n.to_string(), json!(n))).collect();
        assert_eq!(parse(&many.into()).unwrap_err(), "too many entries; at most 32 allowed, got 33");
        assert!(parse(&json!({ "k".repeat(65): 1 })).is_err());
    }

    #[test]
    fn metadata_round_trips_through_json() {
        let given = json!({ "year": i64::MIN, "draft": false, "author.name": "Ada \"L.\"" });
        let metadata = parse(&given).unwrap();
        assert_eq!(serde_json::to_value(&metadata).unwrap(), given);
        assert_eq!(serde_json::from_value::<DocumentMetadata>(given).unwrap(), metadata);
        assert_eq!(parse(&json!({})).unwrap(), DocumentMetadata::default());
    }

    #[test]
    fn keywords_are_unambiguous() {
        let metadata = parse(&json!({ "b": true, "i": -7, "t": "a=\"b\"\n" })).unwrap();
        assert_eq!(metadata.keywords(), ["b=true", "i=-7", r#"t="a=\"b\"\n""#]);
        let keywords = [
            metadata_keyword("k", &MetadataValue::Integer(7)),
            metadata_keyword("k", &MetadataValue::Text("7".to_owned())),
            metadata_keyword("k", &MetadataValue::Text("true".to_owned())),
            metadata_keyword("k", &MetadataValue::Flag(true)),
        ];
        let different: std::collections::BTreeSet<&String> = keywords.iter().collect();
        assert_eq!(different.len(), keywords.len());
    }
}
