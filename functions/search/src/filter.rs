//! Filters of a search by properties of documents.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{DocumentId, DocumentMetadata, MetadataError, MetadataValue, is_metadata_key, normal_forms};
use lambda::http::FieldErrors;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, Object, Schema, Type};
use uuid::Uuid;
use vectors::ChunkFilter;

/// The maximum number of values of one field of a filter.
const MAX_VALUES: usize = 100;

/// Conditions on documents. All of them must hold; a field with several values matches any of them.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct MetadataFilter {
    /// The ids of documents.
    #[serde(default)]
    #[schema(value_type = Option<OneOrMany<Uuid>>)]
    pub document_id: Option<OneOrMany<Uuid>>,
    /// The ids of sources.
    #[serde(default)]
    pub source_id: Option<OneOrMany<i64>>,
    /// Media types.
    #[serde(default)]
    pub mime_type: Option<OneOrMany<String>>,
    /// File names.
    #[serde(default)]
    pub file_name: Option<OneOrMany<String>>,
    /// Folders, at any depth, or files: prefixes of `file_path` by whole path segments, so `notes/20` does
    /// not match `notes/2024`.
    #[serde(default)]
    pub path_prefix: Option<OneOrMany<String>>,
    /// Entries of the documents' `metadata`. Types count: `2024` does not match `"2024"`.
    #[serde(default)]
    #[schema(value_type = Option<MetadataConditions>)]
    pub attributes: Option<Map<String, Value>>,
    /// Documents created at this time or later.
    #[serde(default)]
    pub created_from: Option<DateTime<Utc>>,
    /// Documents created before this time.
    #[serde(default)]
    pub created_before: Option<DateTime<Utc>>,
}

/// One value, or a list of them.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(untagged, expecting = "wrong type; a value or a list of values of the field's type allowed")]
pub enum OneOrMany<T> {
    /// One value.
    One(T),
    /// Any of several values.
    Many(Vec<T>),
}

impl MetadataFilter {
    /// Validates the filter, a field with this name, and converts it to Qdrant's terms.
    pub(crate) fn check(self, name: &str, errors: &mut FieldErrors) -> ChunkFilter {
        let mut check = Check { name, errors };
        let ids = check.values("document_id", self.document_id);
        let paths = check.values("path_prefix", self.path_prefix);
        // Points that were written before names were normalised may have either form.
        let file_names = check.values("file_name", self.file_name);
        let filter = ChunkFilter {
            document_ids: ids.into_iter().map(DocumentId).collect(),
            source_ids: check.values("source_id", self.source_id),
            mime_types: check.values("mime_type", self.mime_type),
            file_names: file_names.iter().flat_map(|name| normal_forms(name)).collect(),
            attributes: check.attributes(self.attributes.unwrap_or_default()),
            path_prefixes: paths.iter().flat_map(|path| normal_forms(path.trim_end_matches('/'))).collect(),
            created_from: self.created_from,
            created_before: self.created_before,
            excluded_document_ids: Vec::new(),
        };
        if filter.path_prefixes.iter().any(String::is_empty) {
            errors.add(format!("{name}.path_prefix"), "empty path; a folder or a file allowed, got \"\"");
        }
        filter
    }
}

struct Check<'e> {
    name: &'e str,
    errors: &'e mut FieldErrors,
}

impl Check<'_> {
    fn values<T>(&mut self, field: &str, values: Option<OneOrMany<T>>) -> Vec<T> {
        let values = match values {
            None => return Vec::new(),
            Some(OneOrMany::One(value)) => vec![value],
            Some(OneOrMany::Many(values)) => values,
        };
        let field = format!("{}.{field}", self.name);
        self.errors.count(&field, values.len(), 1..=MAX_VALUES);
        values
    }

    fn attributes(&mut self, given: Map<String, Value>) -> BTreeMap<String, Vec<MetadataValue>> {
        let field = format!("{}.attributes", self.name);
        if given.len() > DocumentMetadata::MAX_ENTRIES {
            self.errors.add(field.as_str(), MetadataError::TooMany { got: given.len() }.to_string());
        }
        let mut attributes = BTreeMap::new();
        for (key, values) in given {
            if !is_metadata_key(&key) {
                self.errors.add(field.as_str(), MetadataError::Key { key }.to_string());
                continue;
            }
            let values = match values {
                Value::Array(values) => values,
                value => vec![value],
            };
            self.errors.count(&format!("{field}.{key}"), values.len(), 1..=MAX_VALUES);
            let mut wanted = Vec::with_capacity(values.len());
            for value in &values {
                match MetadataValue::parse(&key, value) {
                    Ok(value) => wanted.push(value),
                    Err(error) => self.errors.add(field.as_str(), error.to_string()),
                }
            }
            attributes.insert(key, wanted);
        }
        attributes
    }
}

access::named_schemas! {
    MetadataConditions as "MetadataConditions", "For each key of the metadata a value, or a list of which any matches.":
        conditions_schema();
}

fn conditions_schema() -> Object {
    let mut any = access::attribute_value();
    let item = RefOr::T(Schema::OneOf(any.clone()));
    let values = ArrayBuilder::new().items(item).min_items(Some(1)).max_items(Some(MAX_VALUES)).build();
    any.items.push(RefOr::T(Schema::Array(values)));
    access::by_attribute()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::from(Schema::OneOf(any))))
        .examples([serde_json::json!({ "topic": "tides", "year": [2023, 2024] })])
        .build()
}
