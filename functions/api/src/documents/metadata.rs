//! What people say of their documents: `metadata` in requests and answers.

use domain::Attributes;
use serde_json::{Map, Value};
use utoipa::openapi::schema::{AdditionalProperties, Object, Schema, SchemaType, Type};

use crate::validation::Checks;

/// Reads what somebody says of a document.
pub(crate) fn check(checks: &mut Checks, field: &str, given: &Map<String, Value>) -> Attributes {
    Attributes::parse(given).unwrap_or_else(|errors| {
        for error in errors {
            checks.refuse(field, error.to_string());
        }
        Attributes::default()
    })
}

/// As a document has it.
pub(crate) fn schema() -> Object {
    let text =
        "What was said of it when it was uploaded; `attributes` in a search's `metadata_filter` asks for it.";
    described(SchemaType::Type(Type::Object), text)
}

/// As an upload may have it.
pub(crate) fn optional_schema() -> Object {
    let text = "What there is to say of the document, for `attributes` in a search's `metadata_filter`: up to 32 \
        strings, whole numbers and booleans. Without it, the document keeps what was said of it before.";
    described(SchemaType::Array(vec![Type::Object, Type::Null]), text)
}

fn described(schema_type: SchemaType, text: &str) -> Object {
    access::by_attribute()
        .schema_type(schema_type)
        .description(Some(text))
        .additional_properties(Some(AdditionalProperties::from(Schema::Object(access::attribute_value()))))
        .examples([serde_json::json!({ "topic": "tides", "year": 2024, "draft": false })])
        .build()
}
