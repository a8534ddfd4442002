//! What is staged of documents: which bytes, of which generation.
//!
//! Rows are written with the item that stages them (see `staging`), and go with their document.

use domain::{ArtifactKey, CollectionId, DocumentId, Generation};
use sqlx::PgConnection;

use crate::DbError;

/// Bytes of a document as they lie staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentArtifact {
    /// The document whose bytes they are.
    pub document_id: DocumentId,
    /// Its collection.
    pub collection_id: CollectionId,
    /// The generation that they belong to.
    pub generation: Generation,
    /// Their media type.
    pub mime_type: String,
    /// Their SHA-256 in hex.
    pub content_hash: String,
    /// How many they are.
    pub size_bytes: i64,
}

impl DocumentArtifact {
    /// Where they lie.
    pub const fn key(&self) -> ArtifactKey {
        ArtifactKey::Raw {
            collection_id: self.collection_id,
            document_id: self.document_id,
            generation: self.generation,
        }
    }
}

/// Reads what is staged of documents.
#[derive(Debug)]
pub struct DocumentArtifacts<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> DocumentArtifacts<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// The bytes that the document is searchable with, or else those of the last attempt; of a
    /// duplicate, those of its original. `None` where none were staged.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_content(&mut self, id: DocumentId) -> Result<Option<DocumentArtifact>, DbError> {
        let row = sqlx::query!(
            "SELECT a.document_id, a.collection_id, a.generation, a.mime_type, a.content_hash, a.size_bytes
            FROM documents d
            JOIN documents held ON held.id = coalesce(d.duplicate_of, d.id)
            CROSS JOIN LATERAL (
                SELECT CASE WHEN held.generation > 0 THEN held.generation ELSE held.last_generation END AS generation
            ) AS shown
            -- Not every generation was read anew: what is indexed again has the bytes of an earlier one.
            CROSS JOIN LATERAL (
                SELECT * FROM document_artifacts
                WHERE document_id = held.id AND artifact_kind = 'primary' AND generation <= shown.generation
                ORDER BY generation DESC
                LIMIT 1
            ) AS a
            -- What is skipped for being empty has none, whatever it held before.
            WHERE d.id = $1 AND (held.status <> 'skipped' OR a.generation = shown.generation)",
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(row.map(|row| DocumentArtifact {
            document_id: DocumentId(row.document_id),
            collection_id: CollectionId(row.collection_id),
            generation: Generation(row.generation),
            mime_type: row.mime_type,
            content_hash: row.content_hash,
            size_bytes: row.size_bytes,
        }))
    }
}

#[cfg(test)]
mod tests;
