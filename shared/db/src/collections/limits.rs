//! How much a collection may hold and do, and how much it does.

use chrono::{DateTime, TimeDelta, Utc};
use domain::CollectionId;
use sqlx::PgConnection;

use crate::DbError;

/// What a collection may hold and do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectionLimits {
    /// Documents that are searchable or on their way.
    pub max_documents: i64,
    /// Bytes of them; duplicates hold none, and while a new version is on its way the larger one counts.
    pub max_storage_bytes: i64,
    /// Operations that may be started in any hour; setting up and deleting the collection count not.
    pub max_operations_per_hour: i32,
    /// Sources beside uploads.
    pub max_sources: i32,
}

impl Default for CollectionLimits {
    /// What the table's columns default to: a test compares them.
    fn default() -> Self {
        Self {
            max_documents: 100_000,
            max_storage_bytes: 50 << 30,
            max_operations_per_hour: 1000,
            max_sources: 100,
        }
    }
}

/// What a collection holds and does, in the terms of its limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CollectionUsage {
    /// Documents that are searchable or on their way.
    pub documents: i64,
    /// Bytes of them.
    pub storage_bytes: i64,
    /// Operations that were started in the last hour.
    pub operations_last_hour: i64,
    /// Sources beside uploads.
    pub sources: i64,
}

/// What a collection and its owner hold, and what is announced and has not come yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpectedRoom {
    /// Documents of the collection.
    pub documents: i64,
    /// Bytes of them.
    pub bytes: i64,
    /// New documents that are announced for it.
    pub expected_documents: i64,
    /// Bytes that are announced for it.
    pub expected_bytes: i64,
    /// Bytes of all collections of the owner.
    pub owner_bytes: i64,
    /// Bytes that are announced for all of them.
    pub owner_expected_bytes: i64,
}

/// Reads and changes limits of collections.
#[derive(Debug)]
pub struct CollectionResourceLimits<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> CollectionResourceLimits<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// The collection's limits: the defaults where none were set.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// What the collection holds and does now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn usage(&mut self, id: CollectionId) -> Result<CollectionUsage, DbError> {
        let usage = sqlx::query_file_as!(CollectionUsage, "queries/collections/collection_usage.sql", id.0)
            .fetch_one(&mut *self.connection)
            .await?;
        Ok(usage)
    }

    /// What the collection will hold when everything that is announced has come.
    ///
    /// # Errors
    /// When there is no such collection or the database does not answer.
    pub async fn expected_room(&mut self, id: CollectionId) -> Result<ExpectedRoom, DbError> {
        let room = sqlx::query_file_as!(ExpectedRoom, "queries/collections/expected_room.sql", id.0)
            .fetch_one(&mut *self.connection)
            .await?;
        Ok(room)
    }

    /// How many sources beside uploads the collection has.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// How many operations were started in the last hour; and, where they are more than these, when
    /// the last of those was that has to leave the hour before they are not.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// The collection's limits, which nobody else changes until the transaction ends; nor is a document
    /// added to it until then. Its row is made where it is missing.
    ///
    /// # Errors
    /// When there is no such collection or the database does not answer.
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

    /// Sets the limits of a collection whose row is there. What it holds already stays.
    ///
    /// # Errors
    /// When the database does not answer.
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

/// How long operations count.
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
    async fn the_defaults_are_those_of_the_columns(pool: PgPool) {
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
    async fn usage_counts_what_holds_something(pool: PgPool) {
        let db = prepare(&pool).await;
        sqlx::raw_sql(
            "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status)
                SELECT lpad(n::text, 32, '0')::uuid, lpad('1', 32, '0')::uuid, 'u' || n, 'p', 'n', 10,
                    (enum_range(NULL::document_status))[n]
                FROM generate_series(1, array_length(enum_range(NULL::document_status), 1)) n;
            INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status, duplicate_of)
                SELECT lpad('99', 32, '0')::uuid, collection_id, 'copy', 'p', 'n', 10, 'completed', id
                FROM documents WHERE status = 'completed';
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
        // Pending, processing, completed, and a duplicate of the last.
        let expected =
            CollectionUsage { documents: 4, storage_bytes: 30, operations_last_hour: 2, sources: 1 };
        assert_eq!(usage, expected);
        tx.commit().await.unwrap();
    }
}
