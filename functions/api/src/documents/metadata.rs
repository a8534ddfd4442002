//! The metadata of documents in requests.

use domain::DocumentMetadata;
use lambda::http::FieldErrors;
use serde_json::{Map, Value};

/// Validates metadata.
pub(crate) fn check(checks: &mut FieldErrors, field: &str, given: &Map<String, Value>) -> DocumentMetadata {
    DocumentMetadata::parse(given).unwrap_or_else(|errors| {
        for error in errors {
            checks.add(field, error.to_string());
        }
        DocumentMetadata::default()
    })
}
