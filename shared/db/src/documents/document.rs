//! Documents of collections.
//!
//! The pipeline writes them together with the items of its work list, see `crate::operations`.

use chrono::{DateTime, Utc};
use domain::{
    CollectionId, DocumentId, DocumentMetadata, DocumentSort, DocumentStatus, DocumentWarning, ErrorCategory,
    Generation, SortOrder, SourceId,
};
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{DbError, Page};

/// A document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// ID of the document.
    pub id: DocumentId,
    /// The collection it belongs to.
    pub collection_id: CollectionId,
    /// The source it came from.
    pub source_id: Option<SourceId>,
    /// The document that contains it: an archive, a mailbox, or a document with attachments.
    pub container_id: Option<DocumentId>,
    /// Its URI, unique among the collection's documents that are not deleted.
    pub uri: Option<String>,
    /// Its location in the source: a path, an object key, or the name of the upload.
    pub file_path: String,
    /// The last component of its path.
    pub file_name: String,
    /// The URL that its source gives it, if any.
    pub url: Option<String>,
    /// The title that its source gives it, if any.
    pub title: Option<String>,
    /// Size in bytes.
    pub file_size: i64,
    /// Media type.
    pub mime_type: Option<String>,
    /// Content hash: SHA-256 in hex. `None` until the bytes are read, or if they could not be indexed.
    pub content_hash: Option<String>,
    /// Status of the document.
    pub status: DocumentStatus,
    /// Why it failed or was skipped.
    pub error_message: Option<String>,
    /// Whether a retry can help.
    pub error_category: Option<ErrorCategory>,
    /// How often it was retried.
    pub retry_count: i32,
    /// When it was last retried.
    pub last_retry_at: Option<DateTime<Utc>>,
    /// Number of chunks of the searchable generation.
    pub chunk_count: i32,
    /// The searchable generation, [`Generation::NONE`] before the first one is indexed.
    pub generation: Generation,
    /// The last generation that was staged.
    pub last_generation: Generation,
    /// Change hint of the indexed version.
    pub change_hint: Option<String>,
    /// The oldest document of the collection with the same bytes, if that is another one.
    pub duplicate_of: Option<DocumentId>,
    /// When a listing of its source last included it.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// Whether its source no longer lists it.
    pub is_stale: bool,
    /// What was lost or guessed while the searchable version was read.
    pub warnings: Vec<DocumentWarning>,
    /// When it was first seen.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was soft-deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// Internal notes, a JSON object.
    pub meta: Value,
    /// Metadata from its source, a JSON object.
    pub source_metadata: Value,
    /// Metadata from clients, as in the index.
    pub metadata: DocumentMetadata,
}

/// Filters, order and paging of a list of documents.
#[derive(Debug, Clone, Copy)]
pub struct DocumentQuery<'a> {
    /// The collection.
    pub collection_id: CollectionId,
    /// Only documents with this status; without it, all that are not deleted.
    pub status: Option<DocumentStatus>,
    /// Only documents of this source.
    pub source_id: Option<SourceId>,
    /// Only documents that this document contains, without those that are in one of them.
    pub container_id: Option<DocumentId>,
    /// Only documents whose path or file name contains this, ignoring case.
    pub search: Option<&'a str>,
    /// The sort key.
    pub sort: DocumentSort,
    /// The sort direction.
    pub order: SortOrder,
    /// Maximum number of documents to return.
    pub limit: i64,
    /// Number of documents to skip.
    pub offset: i64,
}

/// Reads and changes documents.
#[derive(Debug)]
pub struct Documents<'c> {
    pub(crate) connection: &'c mut PgConnection,
}

impl<'c> Documents<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns the document with this ID, even if it is deleted, unless it is purged.
    pub async fn find(&mut self, id: DocumentId) -> Result<Option<Document>, DbError> {
        let row = sqlx::query_as!(
            DocumentRow,
            r#"SELECT id, collection_id, source_id, container_id, uri, file_path, file_name, url, title, file_size, mime_type,
                content_hash, status::text AS "status!", error_message,
                error_category::text AS error_category, retry_count, last_retry_at, chunk_count,
                generation, last_generation, change_hint, last_seen_at, is_stale,
                warnings AS "warnings: Json<Vec<DocumentWarning>>", created_at, updated_at, deleted_at, meta, source_metadata,
                attributes AS "attributes: Json<DocumentMetadata>",
                CASE WHEN status IN ('pending', 'processing', 'completed') THEN (
                    SELECT o.id FROM documents o
                    WHERE o.collection_id = documents.collection_id AND o.content_hash = documents.content_hash
                        AND o.status IN ('pending', 'processing', 'completed')
                        AND (o.created_at, o.id) < (documents.created_at, documents.id)
                    ORDER BY o.created_at, o.id
                    LIMIT 1
                ) END AS duplicate_of
            FROM documents WHERE id = $1 AND purged_at IS NULL"#,
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        row.map(Document::try_from).transpose()
    }

    /// Returns the documents that match the query.
    pub async fn list(&mut self, query: &DocumentQuery<'_>) -> Result<Page<Document>, DbError> {
        let status = query.status.map(DocumentStatus::as_str);
        let source_id = query.source_id.map(|id| id.0);
        let container_id = query.container_id.map(|id| id.0);
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "total!" FROM documents
            WHERE collection_id = $1 AND purged_at IS NULL AND ($3::bigint IS NULL OR source_id = $3)
                AND CASE WHEN $2::text IS NULL THEN status <> 'deleted'
                    ELSE status = $2::text::document_status END
                AND ($4::text IS NULL OR strpos(replace(lower(file_path), 'ß', 'ss'), replace(lower($4), 'ß', 'ss')) > 0
                    OR strpos(replace(lower(file_name), 'ß', 'ss'), replace(lower($4), 'ß', 'ss')) > 0)
                AND ($5::uuid IS NULL OR container_id = $5)"#,
            query.collection_id.0,
            status,
            source_id,
            query.search,
            container_id,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let rows = sqlx::query_file_as!(
            DocumentRow,
            "queries/documents/list_documents.sql",
            query.collection_id.0,
            status,
            source_id,
            query.limit,
            query.offset,
            query.search,
            query.sort.as_str(),
            query.order == SortOrder::Ascending,
            container_id,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            items.push(row.try_into()?);
        }
        Ok(Page { items, total })
    }
}

struct DocumentRow {
    id: Uuid,
    collection_id: Uuid,
    source_id: Option<i64>,
    container_id: Option<Uuid>,
    uri: Option<String>,
    file_path: String,
    file_name: String,
    url: Option<String>,
    title: Option<String>,
    file_size: i64,
    mime_type: Option<String>,
    content_hash: Option<String>,
    status: String,
    error_message: Option<String>,
    error_category: Option<String>,
    retry_count: i32,
    last_retry_at: Option<DateTime<Utc>>,
    chunk_count: i32,
    generation: i32,
    last_generation: i32,
    change_hint: Option<String>,
    duplicate_of: Option<Uuid>,
    last_seen_at: Option<DateTime<Utc>>,
    is_stale: bool,
    warnings: Json<Vec<DocumentWarning>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    meta: Value,
    source_metadata: Value,
    attributes: Json<DocumentMetadata>,
}

impl TryFrom<DocumentRow> for Document {
    type Error = DbError;

    fn try_from(row: DocumentRow) -> Result<Self, DbError> {
        Ok(Self {
            id: DocumentId(row.id),
            collection_id: CollectionId(row.collection_id),
            source_id: row.source_id.map(SourceId),
            container_id: row.container_id.map(DocumentId),
            uri: row.uri,
            file_path: row.file_path,
            file_name: row.file_name,
            url: row.url,
            title: row.title,
            file_size: row.file_size,
            mime_type: row.mime_type,
            content_hash: row.content_hash,
            status: DbError::parse_label("documents", "status", &row.status)?,
            error_message: row.error_message,
            error_category: DbError::parse_optional_label(
                "documents",
                "error_category",
                row.error_category.as_deref(),
            )?,
            retry_count: row.retry_count,
            last_retry_at: row.last_retry_at,
            chunk_count: row.chunk_count,
            generation: Generation(row.generation),
            last_generation: Generation(row.last_generation),
            change_hint: row.change_hint,
            duplicate_of: row.duplicate_of.map(DocumentId),
            last_seen_at: row.last_seen_at,
            is_stale: row.is_stale,
            warnings: row.warnings.0,
            created_at: row.created_at,
            updated_at: row.updated_at,
            deleted_at: row.deleted_at,
            meta: row.meta,
            source_metadata: row.source_metadata,
            metadata: row.attributes.0,
        })
    }
}
