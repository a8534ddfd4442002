//! How much a collection may hold and do, and how much it does.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{CollectionId, DocumentId};
use sqlx::PgConnection;

use crate::DbError;
use crate::user_resource_limits::UserLimits;

/// What a collection may hold and do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectionLimits {
    /// Documents that are searchable or on their way.
    pub max_documents: i64,
    /// Bytes of them; duplicates hold none.
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

/// What limits say to one more document, or to another version of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Documents that the collection may hold.
    pub max_documents: i64,
    /// Documents that it holds.
    pub used_documents: i64,
    /// Bytes that it may hold.
    pub max_storage_bytes: i64,
    /// Bytes that it holds.
    pub used_bytes: i64,
    /// Bytes that all collections of its owner may hold.
    pub owner_max_bytes: i64,
    /// Bytes that they hold.
    pub owner_used_bytes: i64,
    /// Documents that would be added: one, or none where it is there already.
    pub asked_documents: i64,
    /// Bytes that would be added.
    pub asked_bytes: i64,
}

/// What a collection holds, and what is on its way into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Documents that it holds.
    pub used_documents: i64,
    /// Bytes that it holds.
    pub used_bytes: i64,
    /// Documents that are announced, or have arrived and are not registered yet, and are not there
    /// already.
    pub waiting_documents: i64,
    /// Bytes that they add.
    pub waiting_bytes: i64,
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

    /// What the collection holds and does, counted now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn usage(&mut self, id: CollectionId) -> Result<CollectionUsage, DbError> {
        let usage = sqlx::query_file_as!(CollectionUsage, "queries/collection_usage.sql", id.0)
            .fetch_one(&mut *self.connection)
            .await?;
        Ok(usage)
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

    /// Makes the collection's row, with what it holds now, unless it has one.
    ///
    /// # Errors
    /// When there is no such collection or the database does not answer.
    pub async fn ensure(&mut self, id: CollectionId) -> Result<(), DbError> {
        sqlx::query!(
            "INSERT INTO collection_resource_limits (collection_id, used_documents, used_bytes)
            SELECT $1, count(d.id), coalesce(sum(d.file_size) FILTER (WHERE d.duplicate_of IS NULL), 0)
            FROM (SELECT 1 WHERE NOT EXISTS (
                SELECT FROM collection_resource_limits WHERE collection_id = $1
            )) AS missing
            LEFT JOIN documents d ON d.collection_id = $1 AND d.status IN ('pending', 'processing', 'completed')
            HAVING count(*) > 0
            ON CONFLICT (collection_id) DO NOTHING",
            id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// What limits say to a document with so many bytes, in a collection whose row is there.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_room(
        &mut self,
        id: CollectionId,
        document_id: DocumentId,
        size_bytes: i64,
    ) -> Result<Option<Room>, DbError> {
        let room = sqlx::query_file_as!(
            Room,
            "queries/find_room.sql",
            id.0,
            document_id.0,
            size_bytes,
            UserLimits::default().max_storage_bytes,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(room)
    }

    /// What the collection holds and what is on its way into it. Its row is made where it is missing.
    ///
    /// # Errors
    /// When there is no such collection or the database does not answer.
    pub async fn waiting(&mut self, id: CollectionId) -> Result<Waiting, DbError> {
        self.ensure(id).await?;
        let waiting = sqlx::query_file_as!(Waiting, "queries/upload_room.sql", id.0)
            .fetch_one(&mut *self.connection)
            .await?;
        Ok(waiting)
    }

    /// The collection's limits, which nobody else changes until the transaction ends. Its row is made
    /// where it is missing.
    ///
    /// # Errors
    /// When there is no such collection or the database does not answer.
    pub async fn lock(&mut self, id: CollectionId) -> Result<CollectionLimits, DbError> {
        self.ensure(id).await?;
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
mod tests;
