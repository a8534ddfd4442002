//! Documents in responses.

use chrono::{DateTime, Utc};
use db::documents::Document;
use domain::{
    AccessLevel, CollectionId, DocumentId, DocumentMetadata, DocumentStatus, DocumentWarning, ErrorCategory,
    LinkedDocument, SourceId,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::openapi::words;
use crate::redaction;

/// A document.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentResponse {
    /// Identifies the document.
    #[schema(value_type = Uuid)]
    id: DocumentId,
    /// The collection.
    #[schema(value_type = Uuid)]
    collection_id: CollectionId,
    /// The source, if the document came from one.
    #[schema(value_type = Option<i64>)]
    source_id: Option<SourceId>,
    /// The document that contains this one: an archive, a mailbox, or a document with attachments. They are deleted
    /// together.
    #[schema(value_type = Option<Uuid>)]
    container_id: Option<DocumentId>,
    /// Identifies the document within its source, the same in every run: an absolute path or a URL. Only for
    /// callers with write access.
    uri: Option<String>,
    /// File name.
    file_name: String,
    /// Path within the source, relative to its folder or prefix.
    file_path: String,
    /// The URL at which people open the document: that of its source, such as a web page, else the route that downloads
    /// it, for callers who may read the collection.
    url: String,
    /// The title that its source gives it, if any. Chunks have it, too, else the title in the document.
    title: Option<String>,
    /// In bytes.
    file_size: i64,
    /// Media type, if known.
    mime_type: Option<String>,
    /// SHA-256 of the bytes in hex; null before they were read.
    content_hash: Option<String>,
    /// State of the document.
    #[schema(value_type = words::DocumentStatus)]
    status: DocumentStatus,
    /// The reason if it failed or was skipped; only for callers with write access.
    error_message: Option<String>,
    /// Category of the failure, for failed documents.
    #[schema(value_type = Option<words::ErrorCategory>)]
    error_category: Option<ErrorCategory>,
    /// Number of chunks.
    chunk_count: i32,
    /// The oldest document of the collection with the same bytes, if that is another one. Both are searchable,
    /// each under its own path and metadata.
    #[schema(value_type = Option<Uuid>)]
    duplicate_of: Option<DocumentId>,
    /// How often indexing was retried.
    retry_count: i32,
    /// When indexing was last retried; `null` if never.
    last_retry_at: Option<DateTime<Utc>>,
    /// When it was last listed in its source.
    last_seen_at: Option<DateTime<Utc>>,
    /// Whether it is gone from its source and was kept because the source's `on_missing` is `keep`.
    is_stale: bool,
    /// What was lost or guessed while the searchable version was read.
    warnings: Vec<WarningResponse>,
    /// Metadata from its upload; searches filter by it with `attributes` in `metadata_filter`.
    #[schema(value_type = words::MetadataSchema)]
    metadata: DocumentMetadata,
    /// When the document was first seen.
    created_at: DateTime<Utc>,
    /// When the document was last changed.
    updated_at: DateTime<Utc>,
}

impl DocumentResponse {
    /// The document as a caller with this access level sees it, who reaches the API by this URL.
    pub(crate) fn new(document: Document, access: AccessLevel, api_url: &str) -> Self {
        let linked = LinkedDocument {
            collection_id: document.collection_id,
            document_id: document.id,
            url: document.url.as_deref(),
            mime_type: document.mime_type.as_deref(),
        };
        Self {
            url: linked.url(api_url, None),
            title: document.title,
            id: document.id,
            collection_id: document.collection_id,
            source_id: document.source_id,
            container_id: document.container_id,
            uri: redaction::redact_uri(access, document.uri),
            file_name: document.file_name,
            file_path: document.file_path,
            file_size: document.file_size,
            mime_type: document.mime_type,
            content_hash: document.content_hash,
            status: document.status,
            error_message: redaction::redact_error(access, document.error_message),
            error_category: document.error_category,
            chunk_count: document.chunk_count,
            duplicate_of: document.duplicate_of,
            retry_count: document.retry_count,
            last_retry_at: document.last_retry_at,
            last_seen_at: document.last_seen_at,
            is_stale: document.is_stale,
            warnings: document.warnings.into_iter().map(WarningResponse::from).collect(),
            metadata: document.metadata,
            created_at: document.created_at,
            updated_at: document.updated_at,
        }
    }
}

/// Something that was lost or guessed while a document was read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WarningResponse {
    /// A stable name, see docs/formats.md.
    #[schema(example = "encoding_guessed")]
    code: String,
    /// A sentence for people.
    message: String,
}

impl From<DocumentWarning> for WarningResponse {
    fn from(warning: DocumentWarning) -> Self {
        Self { code: warning.code, message: warning.message }
    }
}
