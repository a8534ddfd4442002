//! Quotas of collections, and their usage.

use chrono::{DateTime, TimeDelta, Utc};
use domain::CollectionId;
use sqlx::PgConnection;

use crate::DbError;

/// The quotas of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectionLimits {
    /// Maximum number of documents that are searchable or being indexed.
    pub max_documents: i64,
    /// Maximum number of bytes that are held: the originals of all generations that are not erased yet, of deleted
    /// documents too until they are purged.
    pub max_storage_bytes: i64,
    /// Maximum number of operations started within any hour. Setting up and deleting the collection do not
    /// count.
    pub max_operations_per_hour: i32,
    /// Maximum number of sources, not counting uploads.
    pub max_sources: i32,
}

impl Default for CollectionLimits {
    /// Same as the defaults of the table's columns; a test compares them.
    fn default() -> Self {
        Self {
            max_documents: 100_000,
            max_storage_bytes: 50 << 30,
            max_operations_per_hour: 1000,
            max_sources: 100,
        }
    }
}

/// A collection's usage, in the same units as its quotas.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CollectionUsage {
    /// Number of documents that are searchable or being indexed.
    pub documents: i64,
    /// Number of bytes that are held.
    pub storage_bytes: i64,
    /// Number of operations started within the last hour.
    pub operations_last_hour: i64,
    /// Number of sources, not counting uploads.
    pub sources: i64,
}

/// Usage of a collection and its owner, including uploads that are announced but not received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProjectedUsage {
    /// Number of documents of the collection.
    pub documents: i64,
    /// Number of bytes that the collection holds.
    pub bytes: i64,
    /// Number of new documents announced for the collection.
    pub expected_documents: i64,
    /// Size of the uploads announced for the collection in bytes.
    pub expected_bytes: i64,
    /// Number of bytes that all the owner's collections hold.
    pub owner_bytes: i64,
    /// Size of the uploads announced for all the owner's collections in bytes.
    pub owner_expected_bytes: i64,
}

/// Reads and changes the quotas of collections.
#[derive(Debug)]
pub struct CollectionResourceLimits<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> CollectionResourceLimits<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns the collection's quotas, or the defaults if none are set.
    pub async fn find(&mut self, id: CollectionId) -> Result<CollectionLimits, DbError> {
        let found = sqlx::query_as!(
            CollectionLimits,
            "SELECT max_documents, max_storage_bytes, max_operations_per_hour, max_sources
            FROM collection_resource_limits WHERE collection_id = $1",
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(found.unwrap_or_default())
    }

    /// Returns the collection's usage.
    pub async fn usage(&mut self, id: CollectionId) -> Result<CollectionUsage, DbError> {
        let usage = sqlx::query_file_as!(CollectionUsage, "queries/collections/collection_usage.sql", id.0)
            .fetch_one(&mut *self.connection)
            .await?;
        Ok(usage)
    }

    /// Returns the collection's and its owner's usage, and what is announced on top of it.
    ///
    /// # Errors
    /// Returns [`DbError::Statement`] if there is no such collection.
    pub async fn projected_usage(&mut self, id: CollectionId) -> Result<ProjectedUsage, DbError> {
        let usage = sqlx::query_file_as!(ProjectedUsage, "queries/collections/projected_usage.sql", id.0)
            .fetch_one(&mut *self.connection)
            .await?;
        Ok(usage)
    }

    /// Returns the number of the collection's sources, not counting that of its uploads.
    pub async fn count_sources(&mut self, id: CollectionId) -> Result<i64, DbError> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM collection_sources
            WHERE collection_id = $1 AND source_type <> 'upload'"#,
            id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(count)
    }

    /// Returns the number of operations started within the last hour. If there are more than `most`, also
    /// returns the start of the operation whose expiry brings the number down to `most`.
    pub async fn count_operations(
        &mut self,
        id: CollectionId,
        most: i64,
    ) -> Result<(i64, Option<DateTime<Utc>>), DbError> {
        let row = sqlx::query!(
            r#"SELECT count(*) AS "count!", (array_agg(created_at ORDER BY created_at))[count(*) - $2] AS in_the_way
            FROM operations
            WHERE collection_id = $1 AND created_at > now() - interval '1 hour' AND type NOT IN ('index', 'delete')"#,
            id.0,
            most,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok((row.count, row.in_the_way))
    }

    /// Locks the collection's quotas and returns them; no document can be added until the transaction ends.
    /// Inserts the defaults if there is no row yet.
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] if there is no such collection.
    pub async fn lock(&mut self, id: CollectionId) -> Result<CollectionLimits, DbError> {
        sqlx::query!(
            "INSERT INTO collection_resource_limits (collection_id) VALUES ($1) ON CONFLICT (collection_id) DO NOTHING",
            id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        let found = sqlx::query_as!(
            CollectionLimits,
            "SELECT max_documents, max_storage_bytes, max_operations_per_hour, max_sources
            FROM collection_resource_limits WHERE collection_id = $1 FOR UPDATE",
            id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(found)
    }

    /// Updates a collection's quotas, which [`Self::lock`] has locked. Existing data above a quota stays.
    pub async fn update(&mut self, id: CollectionId, limits: &CollectionLimits) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE collection_resource_limits
            SET max_documents = $2, max_storage_bytes = $3, max_operations_per_hour = $4, max_sources = $5,
                updated_at = now()
            WHERE collection_id = $1",
            id.0,
            limits.max_documents,
            limits.max_storage_bytes,
            limits.max_operations_per_hour,
            limits.max_sources,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}

/// The period of the operations quota.
pub const OPERATIONS_COUNT_FOR: TimeDelta = TimeDelta::hours(1);

#[cfg(test)]
mod enforcement_tests;

#[cfg(test)]
mod tests {
    use sqlx::PgPool;
    use uuid::Uuid;

    use super::*;
    use crate::Db;
    use crate::accounts::UserLimits;

    const COLLECTION: CollectionId = CollectionId(Uuid::from_u128(1));

    async fn prepare(pool: &PgPool) -> Db {
        sqlx::raw_sql(
            "INSERT INTO users (username, email, hashed_password) VALUES ('ada', 'ada@example.org', 'x');
            INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
                VALUES (lpad('1', 32, '0')::uuid, 'c', 1, 'v', 'm', 256, 51);",
        )
        .execute(pool)
        .await
        .unwrap();
        Db::from_pool(pool.clone())
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn defaults_equal_those_of_the_columns(pool: PgPool) {
        let db = prepare(&pool).await;
        let mut tx = db.begin().await.unwrap();
        let mut limits = tx.collection_resource_limits();
        assert_eq!(limits.find(COLLECTION).await.unwrap(), CollectionLimits::default());
        assert_eq!(limits.lock(COLLECTION).await.unwrap(), CollectionLimits::default());
        let owner = domain::UserId(1);
        let mut limits = tx.user_resource_limits();
        assert_eq!(limits.find(owner).await.unwrap(), UserLimits::default());
        assert_eq!(limits.lock(owner).await.unwrap(), UserLimits::default());
        tx.commit().await.unwrap();
        let rows: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM collection_resource_limits) + (SELECT count(*) FROM user_resource_limits)",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        assert_eq!(rows, 2);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn usage_counts_searchable_and_pending_documents_and_the_bytes_of_all(pool: PgPool) {
        let db = prepare(&pool).await;
        sqlx::raw_sql(
            "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status)
                SELECT lpad(n::text, 32, '0')::uuid, lpad('1', 32, '0')::uuid, 'u' || n, 'p', 'n', 10,
                    (enum_range(NULL::document_status))[n]
                FROM generate_series(1, array_length(enum_range(NULL::document_status), 1)) n;
            INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status, duplicate_of)
                SELECT lpad('99', 32, '0')::uuid, collection_id, 'copy', 'p', 'n', 10, 'completed', id
                FROM documents WHERE status = 'completed';
            INSERT INTO document_artifacts (document_id, collection_id, generation, mime_type, object_key, content_hash, size_bytes)
                SELECT id, collection_id, n, 'text/plain', 'raw/x', 'h' || n, 10 FROM documents, generate_series(1, 2) n
                WHERE duplicate_of IS NULL;
            INSERT INTO collection_sources (collection_id, source_path, source_type)
                VALUES (lpad('1', 32, '0')::uuid, 'uploads', 'upload'), (lpad('1', 32, '0')::uuid, '/a', 'directory');
            INSERT INTO operations (uuid, collection_id, user_id, type, created_at)
                SELECT gen_random_uuid(), lpad('1', 32, '0')::uuid, 1, type::operation_type, now() - age::interval
                FROM (VALUES ('index', '1 s'), ('append', '1 s'), ('append', '59 min'), ('append', '61 min'),
                    ('delete', '1 s')) AS made (type, age)",
        )
        .execute(&pool)
        .await
        .unwrap();
        let mut tx = db.begin().await.unwrap();
        let mut limits = tx.collection_resource_limits();
        let usage = limits.usage(COLLECTION).await.unwrap();
        // Pending, processing, completed, and what earlier versions recorded as a duplicate; the bytes of two generations of seven.
        let expected =
            CollectionUsage { documents: 4, storage_bytes: 140, operations_last_hour: 2, sources: 1 };
        assert_eq!(usage, expected);
        tx.commit().await.unwrap();
    }
}
