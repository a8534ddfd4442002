//! Rebuilds: the points of a collection are written again from staged vectors into another Qdrant
//! collection, which then becomes its index.
//!
//! The work list of a rebuild is written as documents are done: an item is `unchanged` if the document's
//! points are complete again, and `failed` if its staged vectors cannot be read.

use domain::{CollectionId, DocumentId, Generation, OperationId, UserId};
use uuid::Uuid;

use super::items::OperationItems;
use super::operation::Operations;
use crate::DbError;

/// The outcome of rebuilding a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuiltDocument {
    /// The document.
    pub id: DocumentId,
    /// The generation whose points were written.
    pub generation: Generation,
    /// Number of its points.
    pub chunk_count: u32,
    /// Why its points could not be written, if they could not.
    pub reason: Option<String>,
}

impl OperationItems<'_> {
    /// Records the outcome for these documents; an outcome recorded before stays.
    pub async fn insert_rebuilt(
        &mut self,
        operation_id: OperationId,
        documents: &[RebuiltDocument],
    ) -> Result<(), DbError> {
        let ids: Vec<Uuid> = documents.iter().map(|document| document.id.0).collect();
        let generations: Vec<i32> = documents.iter().map(|document| document.generation.0).collect();
        let chunk_counts: Vec<i32> = documents
            .iter()
            .map(|document| i32::try_from(document.chunk_count).unwrap_or(i32::MAX))
            .collect();
        let reasons: Vec<Option<String>> = documents.iter().map(|document| document.reason.clone()).collect();
        sqlx::query_file!(
            "queries/operations/insert_rebuilt.sql",
            operation_id.0,
            &ids,
            &generations,
            &chunk_counts,
            &reasons as &[Option<String>],
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Returns the number of points that a rebuild has written.
    pub async fn count_rebuilt_chunks(&mut self, operation_id: OperationId) -> Result<u64, DbError> {
        let chunks = sqlx::query_scalar!(
            r#"SELECT coalesce(sum(chunk_count), 0)::bigint AS "chunks!" FROM operation_items
            WHERE operation_id = (SELECT id FROM operations WHERE uuid = $1) AND state = 'unchanged'"#,
            operation_id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(chunks.unsigned_abs())
    }
}

/// A pending rebuild.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedRebuild {
    /// The operation.
    pub operation_id: OperationId,
    /// The collection.
    pub collection_id: CollectionId,
    /// Name of the collection.
    pub collection_name: String,
}

impl Operations<'_> {
    /// Queues a rebuild of every collection, or of these, unless one is pending. Returns all rebuilds that
    /// are pending afterwards; deleted collections have none. Runs two statements: call it in a
    /// transaction.
    pub async fn queue_rebuilds(
        &mut self,
        user_id: UserId,
        only: Option<&[CollectionId]>,
    ) -> Result<Vec<QueuedRebuild>, DbError> {
        let only: Option<Vec<Uuid>> = only.map(|ids| ids.iter().map(|id| id.0).collect());
        sqlx::query!(
            "INSERT INTO operations (uuid, collection_id, user_id, type)
            SELECT gen_random_uuid(), c.id, $1, 'rebuild' FROM collections c
            WHERE c.deleted_at IS NULL AND ($2::uuid[] IS NULL OR c.id = ANY ($2))
                AND NOT EXISTS (
                    SELECT FROM operations o
                    WHERE o.collection_id = c.id AND o.type = 'rebuild' AND o.status = 'pending'
                )",
            user_id.0,
            only.as_deref() as Option<&[Uuid]>,
        )
        .execute(&mut *self.connection)
        .await?;
        let rows = sqlx::query!(
            "SELECT o.uuid, c.id, c.name FROM operations o JOIN collections c ON c.id = o.collection_id
            WHERE o.type = 'rebuild' AND o.status = 'pending' AND c.deleted_at IS NULL
                AND ($1::uuid[] IS NULL OR c.id = ANY ($1))
            ORDER BY o.id",
            only.as_deref() as Option<&[Uuid]>,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let queued = rows.into_iter().map(|row| QueuedRebuild {
            operation_id: OperationId(row.uuid),
            collection_id: CollectionId(row.id),
            collection_name: row.name,
        });
        Ok(queued.collect())
    }

    /// Records in `meta.vector_store` the current index and the one that will replace it, unless they are
    /// recorded already. Returns both.
    ///
    /// # Errors
    /// Returns [`DbError::Statement`] if there is no such operation.
    pub async fn record_rebuild(
        &mut self,
        id: OperationId,
        from: &str,
        to: &str,
    ) -> Result<(String, String), DbError> {
        let row = sqlx::query!(
            r#"UPDATE operations
            SET meta = jsonb_build_object('vector_store', jsonb_build_object('from', $2::text, 'to', $3::text)) || meta
            WHERE uuid = $1
            RETURNING meta -> 'vector_store' ->> 'from' AS "from!", meta -> 'vector_store' ->> 'to' AS "to!""#,
            id.0,
            from,
            to,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok((row.from, row.to))
    }
}

#[cfg(test)]
mod tests;
