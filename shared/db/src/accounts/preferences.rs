//! Preferences of users, one JSON object per group.

use domain::UserId;
use serde_json::Value;
use sqlx::PgConnection;

use crate::DbError;

/// A user's stored preferences. Missing fields have their defaults.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StoredPreferences {
    /// Defaults of the user's searches.
    pub search: Value,
    /// Defaults of the user's new collections.
    pub collection_defaults: Value,
    /// Appearance of the user interface.
    pub interface: Value,
}

/// Reads and changes preferences.
#[derive(Debug)]
pub struct UserPreferences<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> UserPreferences<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns a user's preferences; `None` if they never set any.
    pub async fn find(&mut self, user_id: UserId) -> Result<Option<StoredPreferences>, DbError> {
        let preferences = sqlx::query_as!(
            StoredPreferences,
            "SELECT search, collection_defaults, interface FROM user_preferences WHERE user_id = $1",
            user_id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(preferences)
    }

    /// Locks a user's preferences until the transaction ends and returns them. Inserts empty ones if there
    /// are none.
    pub async fn lock(&mut self, user_id: UserId) -> Result<StoredPreferences, DbError> {
        sqlx::query!(
            "INSERT INTO user_preferences (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING",
            user_id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        let preferences = sqlx::query_as!(
            StoredPreferences,
            "SELECT search, collection_defaults, interface FROM user_preferences
            WHERE user_id = $1 FOR UPDATE",
            user_id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(preferences)
    }

    /// Replaces a user's preferences, which [`Self::lock`] has locked.
    pub async fn update(&mut self, user_id: UserId, new: &StoredPreferences) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE user_preferences
            SET search = $2, collection_defaults = $3, interface = $4, updated_at = now()
            WHERE user_id = $1",
            user_id.0,
            new.search,
            new.collection_defaults,
            new.interface,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}
