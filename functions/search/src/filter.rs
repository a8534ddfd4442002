//! Which documents a search is for.

use chrono::{DateTime, Utc};
use domain::DocumentId;
use serde::Deserialize;
use utoipa::ToSchema;
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
        if values.is_empty() || values.len() > MAX_VALUES {
            let message = format!("{} values were given; 1 to {MAX_VALUES} are allowed", values.len());
            self.0.add(&format!("metadata_filter.{field}"), message);
        }
        values
    }
}
