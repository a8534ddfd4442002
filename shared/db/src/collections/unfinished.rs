//! Collections in which a removal failed: sweep starts another one.

use std::time::Duration;

use domain::CollectionId;

use super::collection::Collections;
use crate::DbError;

/// A collection that is deleted and still exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedDeletion {
    /// The collection.
    pub collection_id: CollectionId,
    /// The Qdrant collection of its index.
    pub vector_store_name: String,
}

impl Collections<'_> {
    /// Lists idle collections with documents that were deleted at least `age` ago and still have
    /// points: the operation that was to delete the points failed or was cancelled.
    pub async fn list_unpurged(&mut self, age: Duration, limit: i64) -> Result<Vec<CollectionId>, DbError> {
        let ids = sqlx::query_scalar!(
            "SELECT DISTINCT d.collection_id
            FROM documents d
            JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
            WHERE d.status = 'deleted' AND d.chunk_count > 0 AND d.uri IS NOT NULL
                AND coalesce(d.deleted_at, d.updated_at) < now() - make_interval(secs => $1)
                AND NOT EXISTS (
                    SELECT FROM operations o
                    WHERE o.collection_id = d.collection_id AND o.status IN ('pending', 'processing')
                )
            ORDER BY d.collection_id
            LIMIT $2",
            age.as_secs_f64(),
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(ids.into_iter().map(CollectionId).collect())
    }

    /// Lists idle collections that were deleted at least `age` ago and still exist, unless an operation
    /// of them ended since: the operation that was to purge them failed.
    pub async fn list_unfinished_deletions(
        &mut self,
        age: Duration,
        limit: i64,
    ) -> Result<Vec<UnfinishedDeletion>, DbError> {
        let rows = sqlx::query!(
            "SELECT c.id, c.vector_store_name
            FROM collections c
            WHERE c.deleted_at < now() - make_interval(secs => $1)
                AND NOT EXISTS (
                    SELECT FROM operations o
                    WHERE o.collection_id = c.id
                        AND (
                            o.status IN ('pending', 'processing')
                            OR o.completed_at > now() - make_interval(secs => $1)
                        )
                )
            ORDER BY c.deleted_at
            LIMIT $2",
            age.as_secs_f64(),
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let unfinished = rows.into_iter().map(|row| UnfinishedDeletion {
            collection_id: CollectionId(row.id),
            vector_store_name: row.vector_store_name,
        });
        Ok(unfinished.collect())
    }
}
