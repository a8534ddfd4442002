//! The metadata of documents in requests and responses.

use domain::DocumentMetadata;
use lambda::http::FieldErrors;
use serde_json::{Map, Value};
use utoipa::openapi::schema::{AdditionalProperties, Object, Schema, SchemaType, Type};

/// Validates metadata.
pub(crate) fn check(checks: &mut FieldErrors, field: &str, given: &Map<String, Value>) -> DocumentMetadata {
    DocumentMetadata::parse(given).unwrap_or_else(|errors| {
        for error in errors {
            checks.add(field, error.to_string());
        }
        DocumentMetadata::default()
    })
}

/// The schema of a document's metadata.
pub(crate) fn schema() -> Object {
    let text = "Metadata from its upload; searches filter by it with `attributes` in `metadata_filter`.";
    described(SchemaType::Type(Type::Object), text)
}

/// The schema of an upload's metadata.
pub(crate) fn optional_schema() -> Object {
    let text = "Metadata of the document, for `attributes` in a search's `metadata_filter`: up to 32 strings, integers \
        and booleans. If it is left out, an existing document keeps its metadata.";
    described(SchemaType::Array(vec![Type::Object, Type::Null]), text)
}

fn described(schema_type: SchemaType, text: &str) -> Object {
    access::by_attribute()
        .schema_type(schema_type)
        .description(Some(text))
        .additional_properties(Some(AdditionalProperties::from(Schema::OneOf(access::attribute_value()))))
        .examples([serde_json::json!({ "topic": "tides", "year": 2024, "draft": false })])
        .build()
}
