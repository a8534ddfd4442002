//! Documents that have points, for a rebuild of their index.

use chrono::{DateTime, Utc};
use domain::{CollectionId, DocumentId, DocumentMetadata, Generation, SourceId};
use sqlx::types::Json;

use super::document::Documents;
use crate::DbError;

/// A document with points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchableDocument {
    /// ID of the document.
    pub id: DocumentId,
    /// The searchable generation.
    pub generation: Generation,
    /// Number of its chunks.
    pub chunk_count: u32,
    /// The source it came from, if that still exists.
    pub source_id: Option<SourceId>,
    /// Its URI.
    pub uri: String,
    /// Its path as shown to users, with `/` between folders.
    pub file_path: String,
    /// The last component of its path.
    pub file_name: String,
    /// Media type.
    pub mime_type: Option<String>,
    /// When it was first seen.
    pub first_seen_at: DateTime<Utc>,
    /// Metadata from clients.
    pub metadata: DocumentMetadata,
}

impl Documents<'_> {
    /// Returns the next documents of the collection after `after` that have points, ordered by ID.
    pub async fn list_searchable(
        &mut self,
        collection_id: CollectionId,
        after: Option<DocumentId>,
        limit: i64,
    ) -> Result<Vec<SearchableDocument>, DbError> {
        let after = after.map(|id| id.0);
        let rows = sqlx::query!(
            r#"SELECT id, generation, chunk_count, source_id, coalesce(uri, id::text) AS "uri!", file_path,
                file_name, mime_type, created_at, attributes AS "attributes: Json<DocumentMetadata>"
            FROM documents
            WHERE collection_id = $1 AND ($2::uuid IS NULL OR id > $2)
                AND status <> 'deleted' AND generation > 0 AND chunk_count > 0
            ORDER BY id LIMIT $3"#,
            collection_id.0,
            after,
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let documents = rows.into_iter().map(|row| SearchableDocument {
            id: DocumentId(row.id),
            generation: Generation(row.generation),
            chunk_count: row.chunk_count.unsigned_abs(),
            source_id: row.source_id.map(SourceId),
            uri: row.uri,
            file_path: row.file_path,
            file_name: row.file_name,
            mime_type: row.mime_type,
            first_seen_at: row.created_at,
            metadata: row.attributes.0,
        });
        Ok(documents.collect())
    }
}
