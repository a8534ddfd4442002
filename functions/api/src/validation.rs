//! Collects everything that is wrong with a request, so that one answer names it all.

use std::ops::RangeInclusive;
use std::str::FromStr;

use lambda::http::{ApiError, FieldError};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The fields found wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    errors: Vec<FieldError>,
    /// What kept a field from being checked.
    failure: Option<ApiError>,
}

impl Checks {
    /// Adds an error.
    pub(crate) fn refuse(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.errors.push(FieldError { field: field.into(), message: message.into() });
    }

    /// Notes that nobody can say whether the request is right; the error is the answer then.
    pub(crate) fn fail(&mut self, error: impl Into<ApiError>) {
        self.failure.get_or_insert_with(|| error.into());
    }

    /// Adds what is wrong with a part of the request.
    pub(crate) fn append(&mut self, part: &str, errors: Self) {
        if let Some(failure) = errors.failure {
            self.fail(failure);
        }
        for FieldError { field, message } in errors.errors {
            self.refuse(format!("{part}.{field}"), message);
        }
    }

    /// Refuses a number outside the range; returns it as it is.
    pub(crate) fn range(&mut self, field: &str, got: i64, allowed: RangeInclusive<i64>) -> i64 {
        if !allowed.contains(&got) {
            self.refuse(field, format!("must be {} to {}, got {got}", allowed.start(), allowed.end()));
        }
        got
    }

    /// Refuses a number that is not between zero and one.
    pub(crate) fn fraction(&mut self, field: &str, got: f64) {
        if !(0.0..=1.0).contains(&got) {
            self.refuse(field, format!("must be 0 to 1, got {got}"));
        }
    }

    /// Refuses what PostgreSQL cannot store in a text.
    pub(crate) fn no_nul(&mut self, field: &str, got: &str) {
        if got.contains('\0') {
            self.refuse(field, "must not have NUL characters");
        }
    }

    /// Refuses a text whose length in characters lies outside the range.
    pub(crate) fn length(&mut self, field: &str, got: &str, allowed: RangeInclusive<usize>) {
        let characters = got.chars().count();
        if !allowed.contains(&characters) {
            let (least, most) = (allowed.start(), allowed.end());
            self.refuse(field, format!("must have {least} to {most} characters, got {characters}"));
        }
    }

    /// Reads a word of a closed set; its error lists the set.
    pub(crate) fn word<T>(&mut self, field: &str, got: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        match got.parse() {
            Ok(word) => Some(word),
            Err(error) => {
                self.refuse(field, error.to_string());
                None
            }
        }
    }

    /// Reads words separated by commas; none at all for an absent parameter.
    pub(crate) fn words<T>(&mut self, field: &str, got: Option<&str>) -> Vec<T>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let words = got.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty());
        words.filter_map(|word| self.word(field, word)).collect()
    }

    /// Refuses the request if anything was wrong.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::invalid_fields(self.errors)) }
    }
}

/// A query parameter; one without a value is as good as none.
pub(crate) fn filled(parameter: Option<&str>) -> Option<&str> {
    parameter.filter(|text| !text.is_empty())
}

/// Reads a field where `null` means something else than leaving it out.
pub(crate) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// PostgreSQL stores every text but this one.
pub(crate) fn has_nul(object: &Map<String, Value>) -> bool {
    fn value_has_nul(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(items) => items.iter().any(value_has_nul),
            Value::Object(object) => has_nul(object),
            _ => false,
        }
    }
    object.iter().any(|(key, value)| key.contains('\0') || value_has_nul(value))
}
