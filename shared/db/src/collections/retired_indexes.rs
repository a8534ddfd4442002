//! Indexes that were replaced: Qdrant collections kept for a rollback, then dropped.

use domain::CollectionId;
use sqlx::PgConnection;

use crate::DbError;

/// Reads and changes the list of replaced indexes.
#[derive(Debug)]
pub struct RetiredVectorStores<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> RetiredVectorStores<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns the indexes whose retention has ended, at most `limit`. They can no longer be rolled back
    /// to: drop each, then call [`Self::mark_dropped`]. Each is returned a second time an hour later, in
    /// case a slow worker has recreated it.
    pub async fn claim_due(&mut self, limit: i64) -> Result<Vec<String>, DbError> {
        let names = sqlx::query_scalar!(
            "UPDATE retired_vector_stores SET dropped_at = coalesce(dropped_at, now())
            WHERE name IN (
                SELECT name FROM retired_vector_stores
                WHERE (dropped_at IS NULL AND drop_after <= now())
                    OR (dropped_at IS NOT NULL AND (drops = 0 OR dropped_at < now() - interval '1 hour'))
                ORDER BY drop_after LIMIT $1
                FOR UPDATE SKIP LOCKED
            )
            RETURNING name",
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(names)
    }

    /// Records that an index was dropped, and deletes its row after the second time.
    pub async fn mark_dropped(&mut self, name: &str) -> Result<(), DbError> {
        sqlx::query!(
            "WITH forgotten AS (
                DELETE FROM retired_vector_stores
                WHERE name = $1 AND drops > 0 AND dropped_at < now() - interval '1 hour'
                RETURNING name
            )
            UPDATE retired_vector_stores SET drops = drops + 1
            WHERE name = $1 AND NOT EXISTS (SELECT FROM forgotten)",
            name,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Returns a collection's indexes that it can still be rolled back to.
    pub async fn list_kept(&mut self, collection_id: CollectionId) -> Result<Vec<String>, DbError> {
        let names = sqlx::query_scalar!(
            "SELECT name FROM retired_vector_stores WHERE collection_id = $1 AND dropped_at IS NULL",
            collection_id.0,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(names)
    }

    /// Schedules all indexes of a collection except the current one to be dropped: replaced ones, and one
    /// that a reindex is building. For a collection that is being deleted. Returns their names.
    pub async fn retire_all(&mut self, collection_id: CollectionId) -> Result<Vec<String>, DbError> {
        let names = sqlx::query_scalar!(
            r#"INSERT INTO retired_vector_stores AS r (name, collection_id, drop_after)
            SELECT name, $1, now() FROM (
                SELECT c.qdrant_staging ->> 'vector_store_name' AS name FROM collections c
                WHERE c.id = $1 AND c.qdrant_staging IS NOT NULL
                UNION
                SELECT name FROM retired_vector_stores WHERE collection_id = $1
            ) AS left_over
            ON CONFLICT (name) DO UPDATE SET drop_after = least(r.drop_after, now())
            RETURNING name AS "name!""#,
            collection_id.0,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(names)
    }

    /// Schedules the index that a reindex was building to be dropped if the reindex ended without a swap.
    pub(crate) async fn retire_staging(&mut self, operation_sequence: i64) -> Result<(), DbError> {
        sqlx::query!(
            "INSERT INTO retired_vector_stores (name, collection_id, drop_after)
            SELECT c.qdrant_staging ->> 'vector_store_name', c.id, now()
            FROM operations o
            JOIN collections c ON c.id = o.collection_id
                AND c.qdrant_staging ->> 'operation_id' = o.uuid::text
            WHERE o.id = $1
            ON CONFLICT (name) DO NOTHING",
            operation_sequence,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}
