//! Staged bytes of documents, by generation.
//!
//! Rows are inserted with the item that stages the bytes (see `staging`) and deleted with their document.

use domain::{ArtifactKey, CollectionId, DocumentId, Generation};
use sqlx::PgConnection;

use crate::DbError;

/// The staged bytes of one generation of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentArtifact {
    /// The document.
    pub document_id: DocumentId,
    /// Its collection.
    pub collection_id: CollectionId,
    /// The generation.
    pub generation: Generation,
    /// Media type.
    pub mime_type: String,
    /// SHA-256 in hex.
    pub content_hash: String,
    /// Size in bytes.
    pub size_bytes: i64,
}

impl DocumentArtifact {
    /// Returns the key of the object in the staging bucket.
    pub const fn key(&self) -> ArtifactKey {
        ArtifactKey::Raw {
            collection_id: self.collection_id,
            document_id: self.document_id,
            generation: self.generation,
        }
    }
}

/// Reads which bytes of documents are staged.
#[derive(Debug)]
pub struct DocumentArtifacts<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> DocumentArtifacts<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns the bytes of the document's searchable generation, or else of the last one that was staged;
    /// for a document that an earlier version recorded as a duplicate, those of its original. `None` if nothing is
    /// staged.
    pub async fn find_content(&mut self, id: DocumentId) -> Result<Option<DocumentArtifact>, DbError> {
        let row = sqlx::query!(
            "SELECT a.document_id, a.collection_id, a.generation, a.mime_type, a.content_hash, a.size_bytes
            FROM documents d
            JOIN documents held ON held.id = coalesce(d.duplicate_of, d.id)
            CROSS JOIN LATERAL (
                SELECT CASE WHEN held.generation > 0 THEN held.generation ELSE held.last_generation END AS generation
            ) AS shown
            -- Not every generation was staged: a reindexed document has the bytes of an earlier generation.
            CROSS JOIN LATERAL (
                SELECT * FROM document_artifacts
                WHERE document_id = held.id AND artifact_kind = 'primary' AND generation <= shown.generation
                ORDER BY generation DESC
                LIMIT 1
            ) AS a
            -- A document that was skipped because it is empty has no bytes, even if an earlier version had.
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

    /// Inserts the row of staged bytes whose row is missing. Returns whether their hash is known: only that
    /// of the generation that was staged last is.
    pub async fn insert_lost(
        &mut self,
        document_id: DocumentId,
        generation: Generation,
        size_bytes: i64,
    ) -> Result<bool, DbError> {
        let done = sqlx::query!(
            "INSERT INTO document_artifacts (
                document_id, collection_id, generation, mime_type, object_key, content_hash, size_bytes
            )
            SELECT id, collection_id, generation, coalesce(mime_type, 'application/octet-stream'),
                format('raw/%s/%s/%s', collection_id, id, generation), content_hash, $3
            FROM documents
            WHERE id = $1 AND generation = $2 AND last_generation = generation AND content_hash IS NOT NULL
            ON CONFLICT (document_id, artifact_kind, generation) DO UPDATE SET updated_at = now()",
            document_id.0,
            generation.0,
            size_bytes,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

#[cfg(test)]
mod tests;
