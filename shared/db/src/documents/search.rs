//! The document fields that search results need.

use domain::{DocumentId, DocumentMetadata, Generation};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::DbError;

/// A document that a hit may belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveDocument {
    /// ID of the document.
    pub id: DocumentId,
    /// The searchable generation; points of other generations are orphaned.
    pub generation: Generation,
    /// Its file name.
    pub file_name: String,
    /// Its location in the source.
    pub file_path: String,
    /// The URL that its source gives it, if any.
    pub url: Option<String>,
    /// Media type.
    pub mime_type: Option<String>,
    /// Number of chunks of the searchable generation.
    pub chunk_count: i32,
    /// Metadata from clients.
    pub metadata: DocumentMetadata,
    /// The Qdrant collection that the searchable generation is in. If the hit came from another one, the
    /// collection was reindexed during the search.
    pub vector_store_name: String,
}

/// Reads documents for search results.
#[derive(Debug)]
pub struct SearchDocuments<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> SearchDocuments<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns those of the documents that are searchable, in no particular order.
    pub async fn find_live(&mut self, ids: &[DocumentId]) -> Result<Vec<LiveDocument>, DbError> {
        let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = sqlx::query!(
            r#"SELECT d.id, d.generation, d.file_name, d.file_path, d.url, d.mime_type,
                d.chunk_count,
                d.attributes AS "attributes: Json<DocumentMetadata>", c.vector_store_name
            FROM documents d JOIN collections c ON c.id = d.collection_id
            WHERE d.id = ANY($1) AND d.status <> 'deleted' AND d.generation > 0"#,
            &ids,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let documents = rows.into_iter().map(|row| LiveDocument {
            id: DocumentId(row.id),
            generation: Generation(row.generation),
            file_name: row.file_name,
            file_path: row.file_path,
            url: row.url,
            mime_type: row.mime_type,
            chunk_count: row.chunk_count,
            metadata: row.attributes.0,
            vector_store_name: row.vector_store_name,
        });
        Ok(documents.collect())
    }
}
