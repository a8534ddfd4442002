//! Filters on chunks.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{DocumentId, MetadataValue, metadata_keyword};
use qdrant_client::qdrant::{Condition, DatetimeRange, Filter, Timestamp};

use crate::payload::ATTRIBUTES;

/// Conditions on the chunks of a search, all of which must hold. A list holds if one of its values matches;
/// an empty list is no condition. Every field has a payload index, see `payload::INDEXED_FIELDS`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChunkFilter {
    /// Ids of documents.
    pub document_ids: Vec<DocumentId>,
    /// Ids of documents whose chunks are left out.
    pub excluded_document_ids: Vec<DocumentId>,
    /// Ids of sources.
    pub source_ids: Vec<i64>,
    /// Media types of documents.
    pub mime_types: Vec<String>,
    /// File names of documents.
    pub file_names: Vec<String>,
    /// Folders or paths of documents.
    pub path_prefixes: Vec<String>,
    /// DocumentMetadata that the document must have, each with one of the values.
    pub attributes: BTreeMap<String, Vec<MetadataValue>>,
    /// The earliest time at which the document was first seen.
    pub created_from: Option<DateTime<Utc>>,
    /// The time before which the document was first seen.
    pub created_before: Option<DateTime<Utc>>,
}

impl ChunkFilter {
    pub(crate) fn to_filter(&self) -> Option<Filter> {
        let of_documents = |ids: &[DocumentId]| {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            Condition::matches("document_id", ids)
        };
        let mut conditions = Vec::new();
        if !self.document_ids.is_empty() {
            conditions.push(of_documents(&self.document_ids));
        }
        if !self.source_ids.is_empty() {
            conditions.push(Condition::matches("source_id", self.source_ids.clone()));
        }
        for (field, values) in [
            ("metadata.mime_type", &self.mime_types),
            ("metadata.file_name", &self.file_names),
            ("path_prefixes", &self.path_prefixes),
        ] {
            if !values.is_empty() {
                conditions.push(Condition::matches(field, values.clone()));
            }
        }
        for (key, values) in &self.attributes {
            let keywords: Vec<String> = values.iter().map(|value| metadata_keyword(key, value)).collect();
            conditions.push(Condition::matches(ATTRIBUTES, keywords));
        }
        if self.created_from.is_some() || self.created_before.is_some() {
            let range = DatetimeRange {
                gte: self.created_from.map(timestamp),
                lt: self.created_before.map(timestamp),
                ..DatetimeRange::default()
            };
            conditions.push(Condition::datetime_range("metadata.created_at", range));
        }
        let excluded =
            (!self.excluded_document_ids.is_empty()).then(|| of_documents(&self.excluded_document_ids));
        let excluded = Vec::from_iter(excluded);
        (!conditions.is_empty() || !excluded.is_empty()).then(|| Filter {
            must: conditions,
            must_not: excluded,
            ..Filter::default()
        })
    }
}

fn timestamp(time: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}
