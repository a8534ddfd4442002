//! The state of a document that the scan function needs before it stages new bytes.
//!
//! `content_hash` belongs to the generation that was staged last, which is the searchable one if
//! `generation` equals `last_generation`.

use domain::{CollectionId, DocumentId, DocumentMetadata, DocumentStatus, Generation, SourceId};
use sqlx::types::Json;

use super::document::Documents;
use crate::DbError;

/// The collection's document with a URI, and another document with the same bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StagingContext {
    /// The document, if the collection has it.
    pub existing: Option<ExistingDocument>,
    /// Another document that has claimed the same content hash.
    pub original: Option<Original>,
}

/// A document that the collection already has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingDocument {
    /// Status of the document.
    pub status: DocumentStatus,
    /// Content hash of the generation that was staged last: SHA-256 in hex.
    pub content_hash: Option<String>,
    /// The searchable generation.
    pub generation: Generation,
    /// The last generation that was staged.
    pub last_generation: Generation,
    /// The original whose index entry it shares.
    pub duplicate_of: Option<DocumentId>,
    /// The source ID in the payload of its points.
    pub source_id: Option<SourceId>,
    /// Number of its searchable points.
    pub chunk_count: i32,
    /// The metadata in the payload of its points.
    pub metadata: DocumentMetadata,
}

impl ExistingDocument {
    /// Returns whether Qdrant may hold orphaned points of the document, which remain if the new version
    /// fails: those of a deletion that failed, or that is still pending.
    pub fn may_have_orphaned_points(&self) -> bool {
        self.status == DocumentStatus::Deleted || self.chunk_count == 0
    }
}

/// Another document of the collection with the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// ID of the document.
    pub id: DocumentId,
    /// Whether the document is searchable with these bytes, or will be when its item is done. If not, its
    /// claim remains from a cancelled or failed operation.
    pub is_indexed: bool,
}

impl Documents<'_> {
    /// Returns the collection's document with this ID, and another document with this content hash.
    pub async fn staging_context(
        &mut self,
        collection_id: CollectionId,
        document_id: DocumentId,
        content_hash: &str,
    ) -> Result<StagingContext, DbError> {
        let row = sqlx::query_file!(
            "queries/documents/staging_context.sql",
            document_id.0,
            collection_id.0,
            content_hash
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let existing = match row.status {
            Some(status) => Some(ExistingDocument {
                status: DbError::parse_label("documents", "status", &status)?,
                content_hash: row.content_hash,
                generation: Generation(row.generation.unwrap_or_default()),
                last_generation: Generation(row.last_generation.unwrap_or_default()),
                duplicate_of: row.duplicate_of.map(DocumentId),
                source_id: row.source_id.map(SourceId),
                chunk_count: row.chunk_count.unwrap_or(0),
                metadata: row.attributes.unwrap_or_default().0,
            }),
            None => None,
        };
        let original = row
            .original_id
            .map(|id| Original { id: DocumentId(id), is_indexed: row.original_is_indexed.unwrap_or(false) });
        Ok(StagingContext { existing, original })
    }

    /// Clears a document's claim on a content hash that remains from a cancelled or failed operation.
    pub async fn release_hash(&mut self, id: DocumentId, content_hash: &str) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE documents SET content_hash = NULL, updated_at = now() WHERE id = $1 AND content_hash = $2",
            id.0,
            content_hash,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}
