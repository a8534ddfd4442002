//! API keys, by the hash of what the client holds.

use chrono::{DateTime, Utc};
use domain::{Access, ApiKeyId, CollectionId, UserId};
use sqlx::PgConnection;

use crate::DbError;

/// An API key with the account it acts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// The account it acts for.
    pub user_id: UserId,
    /// That account's name.
    pub username: String,
    /// Whether that account is active.
    pub user_is_active: bool,
    /// What its owner calls it.
    pub name: String,
    /// Whether it works.
    pub is_active: bool,
    /// The most it may do.
    pub scope: Access,
    /// The collections it is limited to; `None` for all of its user's.
    pub collection_ids: Option<Vec<CollectionId>>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it stops to work.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Reads and changes API keys.
#[derive(Debug)]
pub struct ApiKeys<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> ApiKeys<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// The key with this SHA-256, whatever its state.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_by_hash(&mut self, key_hash: &[u8; 32]) -> Result<Option<ApiKey>, DbError> {
        let row = sqlx::query!(
            "SELECT k.id, k.user_id, u.username, u.is_active AS user_is_active, k.name, k.is_active,
                k.scope, k.collection_ids, k.last_used_at, k.expires_at
            FROM api_keys k JOIN users u ON u.id = k.user_id
            WHERE k.key_hash = $1",
            key_hash.as_slice(),
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let scope = match row.scope.as_str() {
            "read" => Access::Read,
            "write" => Access::Write,
            "admin" => Access::Admin,
            _ => {
                return Err(DbError::Inconsistent { table: "api_keys", column: "scope", value: row.scope });
            }
        };
        Ok(Some(ApiKey {
            id: ApiKeyId(row.id),
            user_id: UserId(row.user_id),
            username: row.username,
            user_is_active: row.user_is_active,
            name: row.name,
            is_active: row.is_active,
            scope,
            collection_ids: row.collection_ids.map(|ids| ids.into_iter().map(CollectionId).collect()),
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
        }))
    }

    /// Notes that a key was used.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mark_used(&mut self, id: ApiKeyId, now: DateTime<Utc>) -> Result<(), DbError> {
        sqlx::query!("UPDATE api_keys SET last_used_at = $2 WHERE id = $1", id.0, now)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}
