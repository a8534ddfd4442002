//! The settings of a source: `source_config`, checked against what its connector declares.

use chrono::NaiveDate;
use serde_json::{Map, Value};

use crate::{ConfigField, ConnectorError, FieldValue};

/// The most entries of a list, and the most bytes of one, in the settings of a new source. Stored settings may have more:
/// earlier versions allowed them.
const LIST_BOUNDS: (usize, usize) = (100, 256);
/// Those of a list of URLs.
const URL_BOUNDS: (usize, usize) = (1000, 2048);
/// The most bytes of any other text: the longest path that Linux opens.
const MAX_TEXT_BYTES: usize = 4096;

/// Checks the lengths of lists and texts, before anything is done with them.
pub(crate) fn check_bounds(fields: &[ConfigField], config: &Value) -> Result<(), ConnectorError> {
    for field in fields {
        let (max_items, max_bytes) =
            if field.value == FieldValue::RequiredUrls { URL_BOUNDS } else { LIST_BOUNDS };
        let message = match config.get(field.name) {
            Some(Value::Array(items)) if items.len() > max_items => {
                format!("wrong number of items; at most {max_items} allowed, got {}", items.len())
            }
            Some(Value::Array(items)) => {
                let longest = items.iter().filter_map(Value::as_str).map(str::len).max().unwrap_or(0);
                if longest <= max_bytes {
                    continue;
                }
                format!("too long; at most {max_bytes} bytes per entry allowed, got {longest}")
            }
            Some(Value::String(text)) if text.len() > MAX_TEXT_BYTES => {
                format!("too long; at most {MAX_TEXT_BYTES} bytes allowed, got {}", text.len())
            }
            _ => continue,
        };
        return Err(ConnectorError::invalid(field.name, message));
    }
    Ok(())
}

/// Settings of the declared names and types, with every default filled in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings(Map<String, Value>);

impl Settings {
    /// Checks names and types and fills in the defaults. `null` counts as left out.
    pub(crate) fn read(fields: &[ConfigField], config: &Value) -> Result<Self, ConnectorError> {
        let Some(config) = config.as_object() else {
            return Err(ConnectorError::invalid("source_config", "wrong type; an object allowed"));
        };
        if let Some(unknown) = config.keys().find(|key| !fields.iter().any(|field| field.name == *key)) {
            let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
            let message = format!("unknown setting; {} allowed, got {unknown:?}", known.join(", "));
            return Err(ConnectorError::invalid("source_config", message));
        }
        let mut settings = Map::new();
        for field in fields {
            let value = match (config.get(field.name), field.value.default()) {
                (None | Some(Value::Null), Some(default)) => default,
                (None | Some(Value::Null), None) => {
                    return Err(ConnectorError::invalid(field.name, "is required"));
                }
                (Some(value), _) => check_type(field, value)?,
            };
            settings.insert(field.name.to_owned(), value);
        }
        Ok(Self(settings))
    }

    /// A setting that is declared as a string; empty if it is not.
    pub(crate) fn text(&self, field: &str) -> &str {
        self.0.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// A setting that is declared as a boolean; false if it is not.
    pub(crate) fn boolean(&self, field: &str) -> bool {
        self.0.get(field).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A setting that is declared as a whole number; 0 if it is not, or if it is negative.
    pub(crate) fn number(&self, field: &str) -> u64 {
        self.0.get(field).and_then(Value::as_u64).unwrap_or_default()
    }

    /// A setting that is declared as a list of strings; empty if it is not.
    pub(crate) fn texts(&self, field: &str) -> Vec<&str> {
        let values = self.0.get(field).and_then(Value::as_array);
        values.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// A setting that is a day, such as `2026-01-31`; `None` if it is empty.
    pub(crate) fn day(&self, field: &'static str) -> Result<Option<NaiveDate>, ConnectorError> {
        match self.text(field) {
            "" => Ok(None),
            day => NaiveDate::parse_from_str(day, "%Y-%m-%d").map(Some).map_err(|_| {
                let message = format!("not a day; one such as 2026-01-31 allowed, got {day:?}");
                ConnectorError::invalid(field, message)
            }),
        }
    }

    /// Replaces a setting by its normal form.
    pub(crate) fn normalise(&mut self, field: &str, value: String) {
        self.0.insert(field.to_owned(), Value::String(value));
    }

    pub(crate) fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

fn check_type(field: &ConfigField, value: &Value) -> Result<Value, ConnectorError> {
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.contains('\0'));
    let expected = match field.value {
        FieldValue::RequiredText | FieldValue::Text if is_text(value) => None,
        FieldValue::RequiredText | FieldValue::Text => Some("a string without NUL characters".to_owned()),
        FieldValue::Boolean { .. } if value.is_boolean() => None,
        FieldValue::Boolean { .. } => Some("true or false".to_owned()),
        FieldValue::TextList if value.as_array().is_some_and(|values| values.iter().all(is_text)) => None,
        FieldValue::TextList => Some("a list of strings".to_owned()),
        FieldValue::RequiredTextList | FieldValue::RequiredUrls
            if value.as_array().is_some_and(|values| !values.is_empty() && values.iter().all(is_text)) =>
        {
            None
        }
        FieldValue::RequiredTextList => Some("a list of at least one string".to_owned()),
        FieldValue::RequiredUrls => Some("a list of at least one URL".to_owned()),
        FieldValue::Integer { min, max, .. }
            if value.as_i64().is_some_and(|number| (min..=max).contains(&number)) =>
        {
            None
        }
        FieldValue::Integer { min, max, .. } => Some(format!("a whole number from {min} to {max}")),
        FieldValue::Word(words) if value.as_str().is_some_and(|word| words.contains(&word)) => None,
        FieldValue::Word(words) => Some(words.join(" or ")),
    };
    match expected {
        None => Ok(value.clone()),
        Some(expected) => {
            Err(ConnectorError::invalid(field.name, format!("wrong value; {expected} allowed, got {value}")))
        }
    }
}
