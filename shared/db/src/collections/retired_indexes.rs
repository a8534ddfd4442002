//! Qdrant collections that answer no more: kept for a while, then dropped.

use domain::CollectionId;
use sqlx::PgConnection;

use crate::DbError;

/// Reads and changes the list of what is to be dropped.
#[derive(Debug)]
pub struct RetiredVectorStores<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> RetiredVectorStores<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Those whose time has come, `limit` at most. There is no way back to them from here on: drop
    /// each, then call [`Self::mark_dropped`]. What was dropped comes once more an hour later, when
    /// nobody can be at work on it any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn take_due(&mut self, limit: i64) -> Result<Vec<String>, DbError> {
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

    /// Notes that one was dropped; forgets it after the second time.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// Those of a collection that may still be brought back.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_kept(&mut self, collection_id: CollectionId) -> Result<Vec<String>, DbError> {
        let names = sqlx::query_scalar!(
            "SELECT name FROM retired_vector_stores WHERE collection_id = $1 AND dropped_at IS NULL",
            collection_id.0,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(names)
    }

    /// Has everything dropped that a collection has beside the index that answers: what is being
    /// filled, and what was kept. For a collection that is going.
    ///
    /// # Errors
    /// When the database does not answer.
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
}
