//! Which documents a search is for.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{DocumentId, DocumentMetadata, MetadataError, MetadataValue, is_metadata_key};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, Object, OneOfBuilder, Schema, SchemaType, Type,
};
use uuid::Uuid;
use vectors::ChunkFilter;

use crate::request::Errors;

/// The most values one field of a filter may list.
const MAX_VALUES: usize = 100;

/// Conditions on documents. All must hold; where a field lists several values, any of them.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MetadataFilter {
    /// These documents.
    #[serde(default)]
    #[schema(value_type = Option<OneOrMany<Uuid>>)]
    pub document_id: Option<OneOrMany<Uuid>>,
    /// Documents of these sources.
    #[serde(default)]
    pub source_id: Option<OneOrMany<i64>>,
    /// Documents of these media types.
    #[serde(default)]
    pub mime_type: Option<OneOrMany<String>>,
    /// Documents with these names.
    #[serde(default)]
    pub file_name: Option<OneOrMany<String>>,
    /// Documents in these folders, at whatever depth, or at these paths: whole parts of `file_path`,
    /// so `notes/20` is not the beginning of `notes/2024`.
    #[serde(default)]
    pub path_prefix: Option<OneOrMany<String>>,
    /// Documents that this was said of as their `metadata`.
    #[serde(default)]
    #[schema(schema_with = attributes_schema)]
    pub attributes: Option<Map<String, Value>>,
    /// Documents first seen at this time or later.
    #[serde(default)]
    pub created_from: Option<DateTime<Utc>>,
    /// Documents first seen before this time.
    #[serde(default)]
    pub created_before: Option<DateTime<Utc>>,
}

/// One value, or a list of them.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected a value or a list of values of the field's type")]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// Any of these.
    Many(Vec<T>),
}

impl MetadataFilter {
    pub(crate) fn check(self, errors: &mut Errors) -> ChunkFilter {
        let mut check = Check(errors);
        let ids = check.values("document_id", self.document_id);
        let paths = check.values("path_prefix", self.path_prefix);
        let filter = ChunkFilter {
            document_ids: ids.into_iter().map(DocumentId).collect(),
            source_ids: check.values("source_id", self.source_id),
            mime_types: check.values("mime_type", self.mime_type),
            file_names: check.values("file_name", self.file_name),
            attributes: check.attributes(self.attributes.unwrap_or_default()),
            path_prefixes: paths.iter().map(|path| path.trim_end_matches('/').to_owned()).collect(),
            created_from: self.created_from,
            created_before: self.created_before,
        };
        if filter.path_prefixes.iter().any(String::is_empty) {
            errors.add("metadata_filter.path_prefix", "an empty path was given; name a folder".to_owned());
        }
        filter
    }
}

struct Check<'e>(&'e mut Errors);

impl Check<'_> {
    fn values<T>(&mut self, field: &str, values: Option<OneOrMany<T>>) -> Vec<T> {
        let values = match values {
            None => return Vec::new(),
            Some(OneOrMany::One(value)) => vec![value],
            Some(OneOrMany::Many(values)) => values,
        };
        self.count(&format!("metadata_filter.{field}"), values.len());
        values
    }

    fn attributes(&mut self, given: Map<String, Value>) -> BTreeMap<String, Vec<MetadataValue>> {
        const FIELD: &str = "metadata_filter.attributes";
        if given.len() > DocumentMetadata::MAX_ENTRIES {
            self.0.add(FIELD, MetadataError::TooMany { got: given.len() }.to_string());
        }
        let mut attributes = BTreeMap::new();
        for (key, values) in given {
            if !is_metadata_key(&key) {
                self.0.add(FIELD, MetadataError::Key { key }.to_string());
                continue;
            }
            let values = match values {
                Value::Array(values) => values,
                value => vec![value],
            };
            self.count(&format!("{FIELD}.{key}"), values.len());
            let mut wanted = Vec::with_capacity(values.len());
            for value in &values {
                match MetadataValue::parse(&key, value) {
                    Ok(value) => wanted.push(value),
                    Err(error) => self.0.add(FIELD, error.to_string()),
                }
            }
            attributes.insert(key, wanted);
        }
        attributes
    }

    fn count(&mut self, field: &str, values: usize) {
        if values == 0 || values > MAX_VALUES {
            self.0.add(field, format!("{values} values were given; 1 to {MAX_VALUES} are allowed"));
        }
    }
}

fn attributes_schema() -> Object {
    let value = access::attribute_value();
    let values =
        ArrayBuilder::new().items(value.clone()).min_items(Some(1)).max_items(Some(MAX_VALUES)).build();
    let any = OneOfBuilder::new().item(value).item(values).build();
    access::by_attribute()
        .schema_type(SchemaType::Array(vec![Type::Object, Type::Null]))
        .description(Some(
            "Documents that this was said of as their `metadata`: for each key a value, or a list of which any \
             will do. Types count, `2024` is not `\"2024\"`.",
        ))
        .additional_properties(Some(AdditionalProperties::from(Schema::OneOf(any))))
        .examples([serde_json::json!({ "topic": "tides", "year": [2023, 2024] })])
        .build()
}
