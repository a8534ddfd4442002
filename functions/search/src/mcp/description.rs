//! How collections are described to assistants.

use db::collections::AccessibleCollection;
use serde_json::{Value, json};

/// Describes a collection for an assistant.
pub(super) fn describe_collection(found: &AccessibleCollection) -> Value {
    let collection = &found.collection;
    without_nulls(json!({
        "id": collection.id,
        "name": collection.name,
        "description": collection.description,
        "status": collection.status,
        "document_count": collection.document_count,
        "access": found.access,
        "updated_at": collection.updated_at,
    }))
}

/// Returns a fragment of JSON without the fields that are null.
pub(super) fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| !value.is_null());
    }
    value
}
