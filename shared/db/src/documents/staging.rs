//! The state of a document that the scan function needs before it stages new bytes.
//!
//! `content_hash` belongs to the generation that was staged last, which is the searchable one if
//! `generation` equals `last_generation`.

use domain::{DocumentId, DocumentMetadata, DocumentStatus, Generation, SourceId};
use sqlx::types::Json;

use super::document::Documents;
use crate::DbError;

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
    /// The source ID in the payload of its points.
    pub source_id: Option<SourceId>,
    /// Number of its searchable points.
    pub chunk_count: i32,
    /// The metadata in the payload of its points.
    pub metadata: DocumentMetadata,
    /// The title that its source gave it, if any.
    pub title: Option<String>,
}

impl ExistingDocument {
    /// Returns whether Qdrant may hold orphaned points of the document, which remain if the new version
    /// fails: those of a deletion that failed, or that is still pending.
    pub fn may_have_orphaned_points(&self) -> bool {
        self.status == DocumentStatus::Deleted || self.chunk_count == 0
    }
}

impl Documents<'_> {
    /// Returns what the collection has of the document with this ID, even if it is deleted.
    pub async fn find_existing(&mut self, id: DocumentId) -> Result<Option<ExistingDocument>, DbError> {
        let row = sqlx::query!(
            r#"SELECT status::text AS "status!", content_hash, generation, last_generation, source_id,
                chunk_count, attributes AS "attributes: Json<DocumentMetadata>", title
            FROM documents WHERE id = $1"#,
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        row.map(|row| {
            Ok(ExistingDocument {
                status: DbError::parse_label("documents", "status", &row.status)?,
                content_hash: row.content_hash,
                generation: Generation(row.generation),
                last_generation: Generation(row.last_generation),
                source_id: row.source_id.map(SourceId),
                chunk_count: row.chunk_count,
                metadata: row.attributes.0,
                title: row.title,
            })
        })
        .transpose()
    }
}
