//! The wire types that programs use. Each names what they use; `other` keeps the rest of the response, so that a
//! response that is printed is complete, and a newer server can add fields.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{
    AccessLevel, ApiKeyId, CollectionId, CollectionStatus, DocumentId, DocumentStatus, OperationId,
    OperationStatus, OperationType, SearchMode, SourceId, UploadId, UploadStatus, WaitingFor,
};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// The fields of a response that have no field of their own here.
type Other = Map<String, Value>;

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Entries<T> {
    /// The entries of the page.
    pub entries: Vec<T>,
    /// Their number on all pages.
    pub total: u64,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Entries<T> {
    /// Each list names its entries after what they are; they are its only array.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Map::<String, Value>::deserialize(deserializer)?;
        let total =
            fields.get("total").and_then(Value::as_u64).ok_or_else(|| D::Error::missing_field("total"))?;
        let array = fields.into_iter().find(|(_, value)| value.is_array());
        let (_, array) = array.ok_or_else(|| D::Error::custom("no list of entries"))?;
        let entries = serde_json::from_value(array).map_err(D::Error::custom)?;
        Ok(Self { entries, total })
    }
}

/// A collection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Collection {
    /// Identifies the collection.
    pub id: CollectionId,
    /// Unique among the collections of its owner.
    pub name: String,
    /// State.
    pub status: CollectionStatus,
    /// Explanation of the state, if any.
    pub status_message: Option<String>,
    /// Documents that are not deleted.
    pub document_count: u64,
    /// Total size of the documents in bytes.
    pub total_size_bytes: u64,
    /// Documents that failed.
    pub error_count: u64,
    /// Name of the embedding model.
    pub embedding_model: String,
    /// The caller's access.
    pub access: AccessLevel,
    /// The rest.
    #[serde(flatten)]
    pub other: Other,
}

/// A document.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Document {
    /// Identifies the document.
    pub id: DocumentId,
    /// Path within its source.
    pub file_path: String,
    /// State.
    pub status: DocumentStatus,
    /// Why it failed.
    pub error_message: Option<String>,
    /// The source it belongs to.
    pub source_id: Option<SourceId>,
    /// The document that contains it, for members of archives and attachments.
    pub container_id: Option<DocumentId>,
    /// Where people open it.
    pub url: String,
    /// The rest.
    #[serde(flatten)]
    pub other: Other,
}

/// A file that will be uploaded.
#[derive(Debug, Clone, Serialize)]
pub struct FileAnnouncement {
    /// Its relative path, with `/` between folders.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// Its media type.
    pub content_type: String,
    /// SHA-256 of its bytes in hex; the bucket accepts no others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Metadata of the document; without it, a document keeps what it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

/// A presigned URL for one announced file.
#[derive(Debug, Clone, Deserialize)]
pub struct AnnouncedUpload {
    /// Identifies the upload.
    pub id: UploadId,
    /// The name of the file.
    pub name: String,
    /// Where to PUT it.
    pub url: String,
    /// The headers that the PUT must have.
    pub headers: BTreeMap<String, String>,
    /// When the URL expires.
    pub expires_at: DateTime<Utc>,
}

/// An upload.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Upload {
    /// Identifies the upload; those that were announced later have greater ids.
    pub id: UploadId,
    /// The name of the file.
    pub name: String,
    /// State.
    pub status: UploadStatus,
    /// The state in words, with what to do.
    pub message: String,
    /// The operation that indexes it.
    pub operation_id: Option<OperationId>,
    /// The rest.
    #[serde(flatten)]
    pub other: Other,
}

/// An operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Operation {
    /// Identifies the operation.
    pub id: OperationId,
    /// The collection.
    pub collection_id: CollectionId,
    /// What it does.
    #[serde(rename = "type")]
    pub operation_type: OperationType,
    /// State.
    pub status: OperationStatus,
    /// Why it failed.
    pub error_message: Option<String>,
    /// What it waits for, unless it progresses.
    pub waiting_for: Option<WaitingFor>,
    /// Its progress.
    pub progress: Progress,
    /// The rest.
    #[serde(flatten)]
    pub other: Other,
}

impl Operation {
    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        matches!(
            self.status,
            OperationStatus::Completed | OperationStatus::Failed | OperationStatus::Cancelled
        )
    }
}

/// The progress of an operation, in documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Documents found so far; final when `is_listed`.
    pub total: u64,
    /// Documents in a final state.
    pub done: u64,
    /// Whether its source is listed completely.
    pub is_listed: bool,
    /// Documents by state.
    pub by_state: StateCounts,
    /// The rest.
    #[serde(flatten)]
    pub other: Other,
}

/// The documents of an operation by their state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateCounts {
    /// Searchable.
    pub completed: u64,
    /// Unchanged since the last run.
    pub unchanged: u64,
    /// Removed.
    pub removed: u64,
    /// Nothing to index.
    pub skipped: u64,
    /// Not indexed; the document has the reason.
    pub failed: u64,
    /// Not indexed, because the operation was cancelled.
    pub cancelled: u64,
    /// The rest.
    #[serde(flatten)]
    pub other: Other,
}

/// A search.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SearchRequest {
    /// The collections, 1 to 10.
    pub collection_uuids: Vec<CollectionId>,
    /// The query.
    pub query: String,
    /// Number of results.
    pub k: Option<u32>,
    /// How many of the best to skip.
    pub offset: Option<u32>,
    /// Which vectors are searched; the caller's preference if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_mode: Option<SearchMode>,
    /// Minimum cosine similarity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_threshold: Option<f32>,
    /// Conditions on documents, as the API takes them.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata_filter: Map<String, Value>,
    /// `document` for one result per document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_by: Option<String>,
    /// Whether to mark the query's terms.
    pub highlight: bool,
    /// Whether to rerank.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_reranker: Option<bool>,
}

/// The response to a search.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SearchResponse {
    /// The best chunks, best first.
    pub results: Vec<SearchResult>,
    /// Deviations from the request.
    pub warnings: Vec<String>,
    /// Whether a collection could not be searched.
    pub partial_failure: bool,
    /// The rest.
    #[serde(flatten)]
    pub other: Other,
}

/// A chunk that was found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SearchResult {
    /// Ranks the results.
    pub score: f32,
    /// Path of the document within its source.
    pub file_path: String,
    /// Title of the document.
    pub title: Option<String>,
    /// The headings above the chunk, outermost first.
    pub section_path: Vec<String>,
    /// The page that it begins on.
    pub first_page: Option<u32>,
    /// The page that it ends on.
    pub last_page: Option<u32>,
    /// The line that it begins on.
    pub first_line: Option<u32>,
    /// The line that it ends on.
    pub last_line: Option<u32>,
    /// Where people open it.
    pub url: String,
    /// The text.
    pub text: String,
    /// The text as HTML with the query's terms in `mark` elements, if that was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highlighted_text: Option<String>,
    /// The collection.
    pub collection_name: String,
    /// The rest.
    #[serde(flatten)]
    pub other: Other,
}

/// A source.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Source {
    /// Identifies the source.
    pub id: SourceId,
    /// Its connector.
    pub source_type: String,
    /// Identifies it within the collection.
    pub source_path: String,
    /// Its documents that are not deleted.
    pub document_count: u64,
    /// When it was last read.
    pub last_run_started_at: Option<DateTime<Utc>>,
    /// How the last run ended.
    pub last_run_status: Option<String>,
    /// Why the last run failed.
    pub last_error: Option<String>,
    /// The rest.
    #[serde(flatten)]
    pub other: Other,
}

/// What a run of a source would find.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SourceTest {
    /// Whether it can be listed.
    pub ok: bool,
    /// Why not, and what to do.
    pub error: Option<String>,
    /// Its first documents.
    pub documents: Vec<Value>,
    /// Whether it has no more.
    pub is_complete: bool,
    /// The rest.
    #[serde(flatten)]
    pub other: Other,
}

/// An API key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApiKey {
    /// Identifies the key.
    pub id: ApiKeyId,
    /// Unique among the user's keys.
    pub name: String,
    /// Whether it was not revoked.
    pub is_active: bool,
    /// Its highest access level.
    pub scope: AccessLevel,
    /// The collections that it is limited to.
    pub collection_ids: Option<Vec<CollectionId>>,
    /// When it was last used.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it expires.
    pub expires_at: Option<DateTime<Utc>>,
    /// The secret; only in the response that creates the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// The rest.
    #[serde(flatten)]
    pub other: Other,
}

/// A document that was pushed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PushedDocument {
    /// Identifies the document.
    pub document_id: DocumentId,
    /// Its URI, in normal form.
    pub uri: String,
    /// The upload that carries it.
    pub upload_id: UploadId,
    /// The rest.
    #[serde(flatten)]
    pub other: Other,
}

/// A part of a check of a collection's integrity.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Integrity {
    /// Where the check continues.
    pub next_cursor: Option<String>,
    /// Documents and counters that were left out, because an operation is working on them.
    pub in_progress: u64,
    /// Number of discrepancies by kind.
    pub mismatches: BTreeMap<String, u64>,
    /// The discrepancies.
    pub discrepancies: Vec<Map<String, Value>>,
    /// What was checked, by its name.
    pub checked: BTreeMap<String, u64>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_has_its_entries_under_any_name() {
        let page: Entries<u32> =
            serde_json::from_value(json!({ "api_keys": [1, 2], "total": 7, "page": 1 })).unwrap();
        assert_eq!((page.entries, page.total), (vec![1, 2], 7));
        for wrong in [json!({ "total": 7 }), json!({ "items": [] }), json!([])] {
            serde_json::from_value::<Entries<u32>>(wrong).unwrap_err();
        }
    }

    #[test]
    fn what_has_no_field_of_its_own_is_kept() {
        let response =
            json!({ "ok": true, "error": null, "documents": [], "is_complete": true, "new": { "in": 2030 } });
        let parsed: SourceTest = serde_json::from_value(response.clone()).unwrap();
        assert_eq!(serde_json::to_value(parsed).unwrap(), response);
    }
}
