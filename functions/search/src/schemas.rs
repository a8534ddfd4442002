//! Schemas of fields whose type does not say what they may contain.

use domain::{SearchMode, SearchType};
use utoipa::openapi::schema::{AdditionalProperties, Object, Schema, Type};

/// What results can be grouped by.
pub(crate) const GROUPS: [&str; 1] = ["document"];

pub(crate) fn optional_search_mode() -> Object {
    access::one_of_or_null(SearchMode::ALL.iter().map(|mode| mode.as_str()))
}

pub(crate) fn search_type() -> Object {
    access::one_of(SearchType::ALL.iter().map(|search_type| search_type.as_str()))
}

pub(crate) fn optional_search_type() -> Object {
    access::one_of_or_null(SearchType::ALL.iter().map(|search_type| search_type.as_str()))
}

pub(crate) fn optional_group() -> Object {
    access::one_of_or_null(GROUPS)
}

/// The metadata of a document.
pub(crate) fn attributes() -> Object {
    let value = AdditionalProperties::from(Schema::OneOf(access::attribute_value()));
    access::by_attribute().schema_type(Type::Object).additional_properties(Some(value)).build()
}
