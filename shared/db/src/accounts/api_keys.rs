//! API keys, looked up by the hash of the secret.

use chrono::{DateTime, Utc};
use domain::{AccessLevel, ApiKeyId, CollectionId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{DbError, Page};

/// An API key without its secret, of which only a hash is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// ID of the key.
    pub id: ApiKeyId,
    /// The user it acts for.
    pub user_id: UserId,
    /// Name given by its owner.
    pub name: String,
    /// Whether the owner has left it enabled.
    pub is_active: bool,
    /// The highest access level it grants.
    pub scope: AccessLevel,
    /// The collections it is limited to; `None` for all collections of its user.
    pub collection_ids: Option<Vec<CollectionId>>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it expires.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

impl ApiKey {
    /// Returns whether the key has expired.
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// An API key that a request presented, and its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedKey {
    /// The key.
    pub key: ApiKey,
    /// The user's name.
    pub username: String,
    /// Whether the user is active.
    pub user_is_active: bool,
}

/// An API key to insert.
#[derive(Debug, Clone, Copy)]
pub struct NewApiKey<'a> {
    /// ID of the key, which its secret contains.
    pub id: ApiKeyId,
    /// The user it acts for.
    pub user_id: UserId,
    /// Name; unique among the user's keys, ignoring case.
    pub name: &'a str,
    /// SHA-256 of the secret.
    pub key_hash: &'a [u8; 32],
    /// The highest access level it grants.
    pub scope: AccessLevel,
    /// The collections it is limited to; `None` for all collections of its user.
    pub collection_ids: Option<&'a [CollectionId]>,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
}

/// Reads and changes API keys.
#[derive(Debug)]
pub struct ApiKeys<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> ApiKeys<'c> {
    /// The index that makes names unique per user.
    pub const NAME_CONSTRAINT: &'static str = "uq_api_keys_user_name";

    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns the key with this SHA-256, even if it is disabled or expired.
    pub async fn find_by_hash(&mut self, key_hash: &[u8; 32]) -> Result<Option<PresentedKey>, DbError> {
        let row = sqlx::query!(
            "SELECT k.id, k.user_id, u.username, u.is_active AS user_is_active, k.name, k.is_active,
                k.scope, k.collection_ids, k.last_used_at, k.expires_at, k.created_at
            FROM api_keys k JOIN users u ON u.id = k.user_id
            WHERE k.key_hash = $1",
            key_hash.as_slice(),
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let key = ApiKeyRow {
            id: row.id,
            user_id: row.user_id,
            name: row.name,
            is_active: row.is_active,
            scope: row.scope,
            collection_ids: row.collection_ids,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            created_at: row.created_at,
        };
        Ok(Some(PresentedKey {
            key: key.try_into()?,
            username: row.username,
            user_is_active: row.user_is_active,
        }))
    }

    /// Records that a key was used.
    pub async fn mark_used(&mut self, id: ApiKeyId, now: DateTime<Utc>) -> Result<(), DbError> {
        sqlx::query!("UPDATE api_keys SET last_used_at = $2 WHERE id = $1", id.0, now)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    /// Inserts a key.
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] with [`Self::NAME_CONSTRAINT`] if the user has a key with that name.
    pub async fn insert(&mut self, new: &NewApiKey<'_>) -> Result<ApiKey, DbError> {
        let collection_ids = uuids(new.collection_ids);
        let row = sqlx::query_as!(
            ApiKeyRow,
            "INSERT INTO api_keys (id, user_id, name, key_hash, scope, collection_ids, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            RETURNING id, user_id, name, is_active, scope, collection_ids, last_used_at, expires_at,
                created_at",
            new.id.0,
            new.user_id.0,
            new.name,
            new.key_hash.as_slice(),
            new.scope.as_str(),
            collection_ids.as_deref(),
            new.expires_at,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        row.try_into()
    }

    /// Returns the number of a user's keys that are enabled and not expired. Exact until the transaction
    /// ends if it holds [`crate::accounts::Users::lock`] on the user.
    pub async fn count_active(&mut self, user_id: UserId, now: DateTime<Utc>) -> Result<i64, DbError> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM api_keys
            WHERE user_id = $1 AND is_active AND (expires_at IS NULL OR expires_at > $2)"#,
            user_id.0,
            now,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(count)
    }

    /// Returns a user's keys, newest first.
    pub async fn list(&mut self, user_id: UserId, limit: i64, offset: i64) -> Result<Page<ApiKey>, DbError> {
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "total!" FROM api_keys WHERE user_id = $1"#,
            user_id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let rows = sqlx::query_as!(
            ApiKeyRow,
            "SELECT id, user_id, name, is_active, scope, collection_ids, last_used_at, expires_at,
                created_at
            FROM api_keys WHERE user_id = $1
            ORDER BY created_at DESC, id LIMIT $2 OFFSET $3",
            user_id.0,
            limit,
            offset,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let items = rows.into_iter().map(ApiKey::try_from).collect::<Result<_, _>>()?;
        Ok(Page { items, total })
    }

    /// Returns this key if it belongs to this user.
    pub async fn find(&mut self, user_id: UserId, id: ApiKeyId) -> Result<Option<ApiKey>, DbError> {
        let row = sqlx::query_as!(
            ApiKeyRow,
            "SELECT id, user_id, name, is_active, scope, collection_ids, last_used_at, expires_at,
                created_at
            FROM api_keys WHERE id = $1 AND user_id = $2",
            id.0,
            user_id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        row.map(ApiKey::try_from).transpose()
    }

    /// Updates what the owner can change: name, whether it is enabled, scope and collections.
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] with [`Self::NAME_CONSTRAINT`] if the user has another key with that
    /// name.
    pub async fn update(&mut self, key: &ApiKey) -> Result<(), DbError> {
        let collection_ids = uuids(key.collection_ids.as_deref());
        sqlx::query!(
            "UPDATE api_keys SET name = $2, is_active = $3, scope = $4, collection_ids = $5 WHERE id = $1",
            key.id.0,
            key.name,
            key.is_active,
            key.scope.as_str(),
            collection_ids.as_deref(),
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Replaces the secret and the expiry. The previous secret stops working.
    pub async fn replace_secret(
        &mut self,
        id: ApiKeyId,
        key_hash: &[u8; 32],
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE api_keys SET key_hash = $2, expires_at = $3, last_used_at = NULL WHERE id = $1",
            id.0,
            key_hash.as_slice(),
            expires_at,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Deletes a key and its permissions. Returns whether it existed.
    pub async fn delete(&mut self, user_id: UserId, id: ApiKeyId) -> Result<bool, DbError> {
        let done = sqlx::query!("DELETE FROM api_keys WHERE id = $1 AND user_id = $2", id.0, user_id.0)
            .execute(&mut *self.connection)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}

fn uuids(ids: Option<&[CollectionId]>) -> Option<Vec<Uuid>> {
    ids.map(|ids| ids.iter().map(|id| id.0).collect())
}

struct ApiKeyRow {
    id: Uuid,
    user_id: i64,
    name: String,
    is_active: bool,
    scope: String,
    collection_ids: Option<Vec<Uuid>>,
    last_used_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl TryFrom<ApiKeyRow> for ApiKey {
    type Error = DbError;

    fn try_from(row: ApiKeyRow) -> Result<Self, DbError> {
        let scope = match row.scope.as_str() {
            "read" => AccessLevel::Read,
            "write" => AccessLevel::Write,
            "admin" => AccessLevel::Admin,
            _ => {
                return Err(DbError::Inconsistent { table: "api_keys", column: "scope", value: row.scope });
            }
        };
        Ok(Self {
            id: ApiKeyId(row.id),
            user_id: UserId(row.user_id),
            name: row.name,
            is_active: row.is_active,
            scope,
            collection_ids: row.collection_ids.map(|ids| ids.into_iter().map(CollectionId).collect()),
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            created_at: row.created_at,
        })
    }
}
