//! Quotas of users, and their usage.

use domain::UserId;
use sqlx::PgConnection;

use crate::DbError;

/// The quotas of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserLimits {
    /// Maximum number of collections.
    pub max_collections: i32,
    /// Maximum size of the documents of all collections, in bytes.
    pub max_storage_bytes: i64,
}

impl Default for UserLimits {
    /// Same as the defaults of the table's columns; a test compares them.
    fn default() -> Self {
        Self { max_collections: 100, max_storage_bytes: 50 << 30 }
    }
}

/// A user's usage, in the same units as their quotas.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserUsage {
    /// Number of collections.
    pub collections: i64,
    /// Size of the documents of all collections, in bytes.
    pub storage_bytes: i64,
}

/// Reads and changes the quotas of users.
#[derive(Debug)]
pub struct UserResourceLimits<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> UserResourceLimits<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns the user's quotas, or the defaults if none are set.
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

    /// Returns the user's usage. Does not grow until the transaction ends if it holds
    /// [`crate::accounts::Users::lock`] on the user.
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

    /// Locks the user's quotas and returns them; documents cannot grow until the transaction ends. Inserts
    /// the defaults if there is no row yet.
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] if there is no such user.
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

    /// Updates a user's quotas, which [`Self::lock`] has locked. Existing data above a quota stays.
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
