//! What a search result says of its document.

use domain::{Attributes, DocumentId, Generation};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::DbError;

/// A document that a hit may belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveDocument {
    /// The document.
    pub id: DocumentId,
    /// The generation whose points are valid: hits of others are leftovers.
    pub generation: Generation,
    /// Its name.
    pub file_name: String,
    /// Where it lies in its source.
    pub file_path: String,
    /// How many chunks this generation has.
    pub chunk_count: i32,
    /// What people said of it.
    pub attributes: Attributes,
    /// The Qdrant collection that this generation is in. Hits of another one say nothing: its
    /// collection was reindexed since it was asked.
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

    /// Those of the documents that are not deleted, in no particular order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_live(&mut self, ids: &[DocumentId]) -> Result<Vec<LiveDocument>, DbError> {
        let ids: Vec<uuid::Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = sqlx::query!(
            r#"SELECT d.id, d.generation, d.file_name, d.file_path, d.chunk_count,
                d.attributes AS "attributes: Json<Attributes>", c.vector_store_name
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
            chunk_count: row.chunk_count,
            attributes: row.attributes.0,
            vector_store_name: row.vector_store_name,
        });
        Ok(documents.collect())
    }
}
