//! The one checker of requests: collects what is wrong with each field, so that one response names it all.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use domain::ErrorKind;

use super::problem::{ApiError, FieldError};

/// The most errors that one response lists. A request with thousands of wrong fields must not get a
/// response that is larger than itself.
const MAX_ERRORS: usize = 20;
/// The most characters of a received text that a message repeats.
const MAX_QUOTED_CHARS: usize = 64;

/// Collects the errors of a request's fields.
///
/// Messages follow one grammar: `<what is wrong>; <what is allowed>, got <value>`. The field's name is not
/// part of the message.
#[derive(Debug, Default)]
#[must_use = "errors reach the client only through `finish`"]
pub struct FieldErrors {
    errors: Vec<FieldError>,
    /// The error that prevented validation.
    failure: Option<ApiError>,
}

impl FieldErrors {
    /// Adds an error of a field; dots and indexes in its name lead to nested fields. A long name or message is cut, and
    /// after the first errors the others are dropped.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        if !self.is_full() {
            self.errors.push(FieldError::new(field, message));
        }
    }

    /// Returns whether further errors would be dropped: a loop over many fields can stop.
    pub fn is_full(&self) -> bool {
        self.errors.len() >= MAX_ERRORS
    }

    /// Records an error that prevented validation; [`Self::finish`] returns it in place of the fields'.
    pub fn fail(&mut self, error: impl Into<ApiError>) {
        self.failure.get_or_insert_with(|| error.into());
    }

    /// Adds the errors of a nested object.
    pub fn append(&mut self, object: &str, errors: Self) {
        if let Some(failure) = errors.failure {
            self.fail(failure);
        }
        for FieldError { field, message } in errors.errors {
            self.add(format!("{object}.{field}"), message);
        }
    }

    /// Adds the errors of another part of the request.
    pub(super) fn extend(&mut self, errors: Self) {
        if let Some(failure) = errors.failure {
            self.fail(failure);
        }
        for FieldError { field, message } in errors.errors {
            self.add(field, message);
        }
    }

    /// Returns whether no error was found so far.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty() && self.failure.is_none()
    }

    /// Checks that a number lies in a range, and returns it unchanged.
    pub fn range<N: PartialOrd + Display + Copy>(
        &mut self,
        field: &str,
        got: N,
        allowed: RangeInclusive<N>,
    ) -> N {
        // A NaN lies in no range.
        if !allowed.contains(&got) {
            let (least, most) = (allowed.start(), allowed.end());
            self.add(field, format!("out of range; {least} to {most} allowed, got {got}"));
        }
        got
    }

    /// Checks the length of a text, in characters.
    pub fn length(&mut self, field: &str, got: &str, allowed: RangeInclusive<usize>) {
        let characters = got.chars().count();
        if !allowed.contains(&characters) {
            let (least, most) = (allowed.start(), allowed.end());
            self.add(field, format!("wrong length; {least} to {most} characters allowed, got {characters}"));
        }
    }

    /// Checks the number of items of a list.
    pub fn count(&mut self, field: &str, got: usize, allowed: RangeInclusive<usize>) {
        if !allowed.contains(&got) {
            let (least, most) = (allowed.start(), allowed.end());
            self.add(field, format!("wrong number of items; {least} to {most} allowed, got {got}"));
        }
    }

    /// Checks that a text has no NUL character: PostgreSQL cannot store one.
    pub fn no_nul(&mut self, field: &str, got: &str) {
        if got.contains('\0') {
            self.add(field, "contains a NUL character; every other character is allowed");
        }
    }

    /// Parses a keyword of a closed set. The error of its `FromStr` lists the set.
    pub fn keyword<T>(&mut self, field: &str, got: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        match got.parse() {
            Ok(keyword) => Some(keyword),
            Err(error) => {
                self.add(field, error.to_string());
                None
            }
        }
    }

    /// Parses keywords separated by commas; an absent parameter has none.
    pub fn keywords<T>(&mut self, field: &str, got: Option<&str>) -> Vec<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let keywords = got.unwrap_or_default().split(',').map(str::trim).filter(|text| !text.is_empty());
        keywords.filter_map(|text| self.keyword(field, text)).collect()
    }

    /// Checks that a text is one of those offered.
    pub fn one_of(&mut self, field: &str, got: &str, offered: &[&str]) {
        if !offered.contains(&got) {
            self.add(field, format!("unknown value; {} allowed, got {}", offered.join(", "), quoted(got)));
        }
    }

    /// Rejects the request if any error was found.
    ///
    /// # Errors
    /// Returns the error that prevented validation, else 422 with every field error.
    pub fn finish(self) -> Result<(), ApiError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if self.errors.is_empty() { Ok(()) } else { Err(ApiError::invalid_fields(self.errors)) }
    }

    /// Rejects the request.
    pub(super) fn into_error(self) -> ApiError {
        let fallback = || ApiError::new(ErrorKind::Invalid, "The request cannot be read");
        self.finish().err().unwrap_or_else(fallback)
    }
}

/// A received text in quotation marks, cut to 64 characters.
pub(super) fn quoted(text: &str) -> String {
    if text.chars().nth(MAX_QUOTED_CHARS).is_none() {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(MAX_QUOTED_CHARS).collect();
    format!("{start:?}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_names_what_is_wrong_what_is_allowed_and_what_was_received() {
        let mut errors = FieldErrors::default();
        assert_eq!(errors.range("chunk_size", 5000, 16..=256), 5000);
        errors.range("score_threshold", f64::NAN, 0.0..=1.0);
        errors.length("name", "", 1..=255);
        errors.count("files", 0, 1..=100);
        errors.no_nul("search", "a\0");
        assert_eq!(errors.keyword::<domain::SearchMode>("mode", "dense"), Some(domain::SearchMode::Dense));
        assert_eq!(errors.keywords::<domain::SearchMode>("modes", Some("dense, sparse,")).len(), 2);
        errors.one_of("owner", &"x".repeat(65), &["all", "me"]);
        let mut nested = FieldErrors::default();
        nested.range("top_k", 0, 1..=100);
        errors.append("search", nested);
        let listed = errors.errors.iter().map(|error| format!("{}: {}", error.field, error.message));
        insta::assert_snapshot!(listed.collect::<Vec<_>>().join("
"), @r#"
        chunk_size: out of range; 16 to 256 allowed, got 5000
        score_threshold: out of range; 0 to 1 allowed, got NaN
        name: wrong length; 1 to 255 characters allowed, got 0
        files: wrong number of items; 1 to 100 allowed, got 0
        search: contains a NUL character; every other character is allowed
        owner: unknown value; all, me allowed, got "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"…
        search.top_k: out of range; 1 to 100 allowed, got 0
        "#);
        assert!(
            errors.finish().unwrap_err().detail().starts_with("chunk_size: out of range; 16 to 256 allowed")
        );
    }

    #[test]
    fn an_error_that_prevented_validation_takes_precedence() {
        let mut errors = FieldErrors::default();
        assert!(errors.is_empty());
        errors.range("page", 0, 1..=10);
        errors.fail(ApiError::new(ErrorKind::Unavailable, "retry"));
        assert!(!errors.is_empty());
        assert_eq!(errors.finish().unwrap_err().kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn a_response_lists_a_bounded_number_of_errors() {
        let mut errors = FieldErrors::default();
        for index in 0..1000 {
            errors.add(index.to_string(), "wrong");
        }
        assert_eq!(errors.errors.len(), MAX_ERRORS);
        errors.finish().unwrap_err();
    }

    #[test]
    fn an_error_does_not_repeat_a_huge_key() {
        let mut errors = FieldErrors::default();
        for index in 0..60_000 {
            let key = format!("{index}{}", "ü".repeat(100_000 / (index + 1)));
            errors.add(format!("metadata.{key}"), format!("keys must be short, got {key:?}"));
        }
        let error = errors.finish().unwrap_err();
        assert!(error.detail().len() < 32 * 1024, "{} bytes", error.detail().len());
        assert!(error.detail().starts_with("metadata.0üü"));
    }
}
