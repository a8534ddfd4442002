//! What the scan function needs to know of a document before it stages its bytes.
//!
//! A document's `content_hash` belongs to the version that was staged last. The searchable
//! version is the same one where `generation` equals `last_generation`.

use domain::{Attributes, CollectionId, DocumentId, DocumentStatus, Generation, SourceId};
use sqlx::types::Json;

use super::document::Documents;
use crate::DbError;

/// What the collection holds of a document, and of its bytes under other names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StagingContext {
    /// The document as it is.
    pub existing: Option<ExistingDocument>,
    /// Another document that lays claim to the same bytes.
    pub twin: Option<Twin>,
}

/// A document that the collection already holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExistingDocument {
    /// Its state.
    pub status: DocumentStatus,
    /// SHA-256 of the version that was staged last, in hex.
    pub content_hash: Option<String>,
    /// The searchable generation.
    pub generation: Generation,
    /// The generation that was staged last.
    pub last_generation: Generation,
    /// The document that is searchable in its place.
    pub duplicate_of: Option<DocumentId>,
    /// The source that its points say they came from.
    pub source_id: Option<SourceId>,
    /// How many points of it are searchable.
    pub chunk_count: i32,
    /// What its points say that people said of it.
    pub attributes: Attributes,
}

impl ExistingDocument {
    /// Whether Qdrant may hold points of it that nobody takes away when the version that comes now
    /// fails: those of a deletion that failed, or waits behind the upload that brings it back.
    pub fn may_have_orphaned_points(&self) -> bool {
        self.status == DocumentStatus::Deleted || self.chunk_count == 0
    }
}

/// A document of the same collection with the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twin {
    /// The document.
    pub id: DocumentId,
    /// Whether these bytes are searchable under its name, or will be when its item is done. If
    /// not, its claim is left over from a run that was stopped.
    pub is_indexed: bool,
}

impl Documents<'_> {
    /// What the collection holds of this document, and of these bytes under another name.
    ///
    /// # Errors
    /// When the database does not answer.
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
                status: DbError::word("documents", "status", &status)?,
                content_hash: row.content_hash,
                generation: Generation(row.generation.unwrap_or_default()),
                last_generation: Generation(row.last_generation.unwrap_or_default()),
                duplicate_of: row.duplicate_of.map(DocumentId),
                source_id: row.source_id.map(SourceId),
                chunk_count: row.chunk_count.unwrap_or(0),
                attributes: row.attributes.unwrap_or_default().0,
            }),
            None => None,
        };
        let twin = row
            .twin_id
            .map(|id| Twin { id: DocumentId(id), is_indexed: row.twin_is_indexed.unwrap_or(false) });
        Ok(StagingContext { existing, twin })
    }

    /// Takes back a claim on bytes that was left over from a run that was stopped.
    ///
    /// # Errors
    /// When the database does not answer.
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
