//! What the rows say of documents, to be compared with what the stores hold.

use domain::{CollectionId, DocumentId, DocumentStatus, Generation};
use uuid::Uuid;

use super::document::Documents;
use crate::DbError;

/// A document as its rows describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedDocument {
    /// ID of the document.
    pub id: DocumentId,
    /// Its status.
    pub status: DocumentStatus,
    /// Whether it has an error message.
    pub has_reason: bool,
    /// Whether it shares the points of another document.
    pub is_duplicate: bool,
    /// The searchable generation.
    pub generation: Generation,
    /// Number of its chunks.
    pub chunk_count: u32,
    /// The generation whose staged bytes are those of the searchable one.
    pub content_generation: Option<Generation>,
    /// The last generation that was handed out.
    pub last_generation: Generation,
    /// The generations whose staged objects are needed.
    pub kept: Vec<Generation>,
    /// Whether the objects of its other generations are still to be erased.
    pub is_erasing: bool,
    /// Whether a pending or running operation has it on its work list.
    pub is_in_progress: bool,
}

impl Documents<'_> {
    /// Returns the documents of a collection after `after` and up to `until`, deleted ones included, ordered
    /// by ID.
    pub async fn list_recorded(
        &mut self,
        collection_id: CollectionId,
        after: Option<DocumentId>,
        until: Option<DocumentId>,
        limit: i64,
    ) -> Result<Vec<RecordedDocument>, DbError> {
        let rows = sqlx::query_file!(
            "queries/documents/list_recorded.sql",
            collection_id.0,
            after.map(|id| id.0),
            until.map(|id| id.0),
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let documents = rows.into_iter().map(|row| {
            Ok(RecordedDocument {
                id: DocumentId(row.id),
                status: DbError::parse_label("documents", "status", &row.status)?,
                has_reason: row.has_reason,
                is_duplicate: row.is_duplicate,
                generation: Generation(row.generation),
                chunk_count: row.chunk_count.unsigned_abs(),
                content_generation: row.content_generation.map(Generation),
                last_generation: Generation(row.last_generation),
                kept: row.kept.into_iter().map(Generation).collect(),
                is_erasing: row.is_erasing,
                is_in_progress: row.is_in_progress,
            })
        });
        documents.collect()
    }

    /// Returns those of the documents that the collection has, deleted ones included.
    pub async fn find_rows(
        &mut self,
        collection_id: CollectionId,
        ids: &[DocumentId],
    ) -> Result<Vec<DocumentId>, DbError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let found = sqlx::query_scalar!(
            "SELECT id FROM documents WHERE collection_id = $1 AND id = ANY ($2)",
            collection_id.0,
            &ids,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(found.into_iter().map(DocumentId).collect())
    }

    /// Returns those of the keys of announced files that are expected or still to be read.
    pub async fn list_owned_uploads(
        &mut self,
        collection_id: CollectionId,
        keys: &[String],
    ) -> Result<Vec<String>, DbError> {
        let owned =
            sqlx::query_file_scalar!("queries/documents/list_owned_uploads.sql", collection_id.0, keys)
                .fetch_all(&mut *self.connection)
                .await?;
        Ok(owned)
    }
}
