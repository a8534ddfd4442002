//! How much a user may own, and how much they own.

use domain::UserId;
use sqlx::PgConnection;

use crate::DbError;

/// What a user may own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserLimits {
    /// Collections.
    pub max_collections: i32,
    /// Bytes of the documents of all of them.
    pub max_storage_bytes: i64,
}

impl Default for UserLimits {
    /// What the table's columns default to: a test compares them.
    fn default() -> Self {
        Self { max_collections: 100, max_storage_bytes: 50 << 30 }
    }
}

/// What a user owns, in the terms of their limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserUsage {
    /// Collections.
    pub collections: i64,
    /// Bytes of the documents of all of them.
    pub storage_bytes: i64,
}

/// Reads and changes limits of users.
#[derive(Debug)]
pub struct UserResourceLimits<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> UserResourceLimits<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// The user's limits: the defaults where none were set.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find(&mut self, id: UserId) -> Result<UserLimits, DbError> {
        let found = sqlx::query_as!(
            UserLimits,
            "SELECT max_collections, max_storage_bytes FROM user_resource_limits WHERE user_id = $1",
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(found.unwrap_or_default())
    }

    /// What the user owns. While the transaction holds [`super::users::Users::lock`] on them, nobody
    /// else adds to it by a route that asks for this.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn usage(&mut self, id: UserId) -> Result<UserUsage, DbError> {
        let usage = sqlx::query_as!(
            UserUsage,
            r#"SELECT count(*) AS "collections!",
                coalesce(sum(l.used_bytes), 0)::bigint AS "storage_bytes!"
            FROM collections c LEFT JOIN collection_resource_limits l ON l.collection_id = c.id
            WHERE c.owner_id = $1 AND c.deleted_at IS NULL"#,
            id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(usage)
    }

    /// The user's limits, which nobody else changes until the transaction ends; nor are bytes added to
    /// what they own until then. Their row is made where it is missing.
    ///
    /// # Errors
    /// When there is no such user or the database does not answer.
    pub async fn lock(&mut self, id: UserId) -> Result<UserLimits, DbError> {
        sqlx::query!(
            "INSERT INTO user_resource_limits (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING",
            id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        let found = sqlx::query_as!(
            UserLimits,
            "SELECT max_collections, max_storage_bytes FROM user_resource_limits WHERE user_id = $1 FOR UPDATE",
            id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(found)
    }

    /// Sets the limits of a user whose row is there. What they own already stays.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn update(&mut self, id: UserId, limits: &UserLimits) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE user_resource_limits SET max_collections = $2, max_storage_bytes = $3, updated_at = now()
            WHERE user_id = $1",
            id.0,
            limits.max_collections,
            limits.max_storage_bytes,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}
