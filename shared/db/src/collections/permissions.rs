//! Permissions: grants of access to a collection to users and API keys.
//!
//! What a caller may do because of them is decided in `access`.

use chrono::{DateTime, Utc};
use domain::{ApiKeyId, CollectionId, Permission, PermissionId, Principal, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{DbError, Page};

/// The user or API key that a permission is granted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grantee {
    /// A user: their sessions, and their API keys that are not limited to other collections.
    User(UserId),
    /// One API key.
    ApiKey(ApiKeyId),
}

/// A permission on a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionPermission {
    /// ID of the permission.
    pub id: PermissionId,
    /// The collection.
    pub collection_id: CollectionId,
    /// The user it is granted to, or whose API key it is granted to.
    pub user_id: UserId,
    /// Name of that user.
    pub username: String,
    /// ID and name of the API key, if it is granted to one.
    pub api_key: Option<(ApiKeyId, String)>,
    /// The granted permission.
    pub permission: Permission,
    /// When it was first granted.
    pub created_at: DateTime<Utc>,
}

impl CollectionPermission {
    /// Returns whom the permission is granted to.
    pub fn grantee(&self) -> Grantee {
        match self.api_key {
            Some((id, _)) => Grantee::ApiKey(id),
            None => Grantee::User(self.user_id),
        }
    }
}

/// The outcome of granting a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantOutcome {
    /// ID of the permission.
    pub id: PermissionId,
    /// The permission that it replaced, if any.
    pub before: Option<Permission>,
}

/// An API key that a permission may be granted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantableKey {
    /// The user it acts for.
    pub user_id: UserId,
    /// Whether that user is active.
    pub user_is_active: bool,
    /// Whether the key is enabled.
    pub is_active: bool,
    /// When it expires.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether it is limited to some of its user's collections.
    pub is_limited: bool,
}

/// Reads and changes permissions.
#[derive(Debug)]
pub struct CollectionPermissions<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> CollectionPermissions<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns the collection's permissions, oldest first.
    pub async fn list(
        &mut self,
        collection_id: CollectionId,
        limit: i64,
        offset: i64,
    ) -> Result<Page<CollectionPermission>, DbError> {
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "total!" FROM collection_permissions WHERE collection_id = $1"#,
            collection_id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let items = self.select(collection_id, None, None, None, limit, offset).await?;
        Ok(Page { items, total })
    }

    /// Returns the collection's permissions that apply to the caller: at most two, one for the user and one
    /// for the API key.
    pub async fn list_of(
        &mut self,
        collection_id: CollectionId,
        principal: &Principal,
    ) -> Result<Vec<CollectionPermission>, DbError> {
        self.select(collection_id, None, Some(principal.user_id), principal.api_key_id, 2, 0).await
    }

    /// Returns this permission if it is one on this collection.
    pub async fn find(
        &mut self,
        collection_id: CollectionId,
        id: PermissionId,
    ) -> Result<Option<CollectionPermission>, DbError> {
        Ok(self.select(collection_id, Some(id), None, None, 1, 0).await?.pop())
    }

    async fn select(
        &mut self,
        collection_id: CollectionId,
        id: Option<PermissionId>,
        user_id: Option<UserId>,
        api_key_id: Option<ApiKeyId>,
        limit: i64,
        offset: i64,
    ) -> Result<Vec<CollectionPermission>, DbError> {
        let rows = sqlx::query_file_as!(
            PermissionRow,
            "queries/collections/list_permissions.sql",
            collection_id.0,
            id.map(|id| id.0),
            user_id.map(|id| id.0),
            api_key_id.map(|id| id.0),
            limit,
            offset,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        rows.into_iter().map(CollectionPermission::try_from).collect()
    }

    /// Grants a permission, replacing the grantee's previous one. `before` is exact if the transaction
    /// holds [`super::collection::Collections::lock`].
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] if there is no such collection, user or API key.
    pub async fn grant(
        &mut self,
        collection_id: CollectionId,
        grantee: Grantee,
        permission: Permission,
    ) -> Result<GrantOutcome, DbError> {
        let (id, before) = match grantee {
            Grantee::User(user_id) => {
                let row = sqlx::query!(
                    r#"INSERT INTO collection_permissions AS p (collection_id, user_id, permission)
                    VALUES ($1, $2, $3::text::permission)
                    ON CONFLICT (collection_id, user_id) DO UPDATE SET permission = EXCLUDED.permission
                    RETURNING p.id, (
                        SELECT b.permission::text FROM collection_permissions b
                        WHERE b.collection_id = $1 AND b.user_id = $2
                    ) AS "before?""#,
                    collection_id.0,
                    user_id.0,
                    permission.as_str(),
                )
                .fetch_one(&mut *self.connection)
                .await?;
                (row.id, row.before)
            }
            Grantee::ApiKey(api_key_id) => {
                let row = sqlx::query!(
                    r#"INSERT INTO collection_permissions AS p (collection_id, api_key_id, permission)
                    VALUES ($1, $2, $3::text::permission)
                    ON CONFLICT (collection_id, api_key_id) DO UPDATE SET permission = EXCLUDED.permission
                    RETURNING p.id, (
                        SELECT b.permission::text FROM collection_permissions b
                        WHERE b.collection_id = $1 AND b.api_key_id = $2
                    ) AS "before?""#,
                    collection_id.0,
                    api_key_id.0,
                    permission.as_str(),
                )
                .fetch_one(&mut *self.connection)
                .await?;
                (row.id, row.before)
            }
        };
        let before =
            DbError::parse_optional_label("collection_permissions", "permission", before.as_deref())?;
        Ok(GrantOutcome { id: PermissionId(id), before })
    }

    /// Revokes the permission of this user or API key and returns it.
    pub async fn revoke(
        &mut self,
        collection_id: CollectionId,
        grantee: Grantee,
    ) -> Result<Option<(PermissionId, Permission)>, DbError> {
        let (user_id, api_key_id) = match grantee {
            Grantee::User(id) => (Some(id.0), None),
            Grantee::ApiKey(id) => (None, Some(id.0)),
        };
        let row = sqlx::query!(
            r#"DELETE FROM collection_permissions
            WHERE collection_id = $1 AND (user_id = $2 OR api_key_id = $3)
            RETURNING id, permission::text AS "permission!""#,
            collection_id.0,
            user_id,
            api_key_id,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let permission = DbError::parse_label("collection_permissions", "permission", &row.permission)?;
        Ok(Some((PermissionId(row.id), permission)))
    }

    /// Returns what must be checked before a permission is granted to an API key.
    pub async fn find_grantable_key(&mut self, id: ApiKeyId) -> Result<Option<GrantableKey>, DbError> {
        let row = sqlx::query!(
            r#"SELECT k.user_id, u.is_active AS user_is_active, k.is_active, k.expires_at,
                k.collection_ids IS NOT NULL AS "is_limited!"
            FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.id = $1"#,
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(row.map(|row| GrantableKey {
            user_id: UserId(row.user_id),
            user_is_active: row.user_is_active,
            is_active: row.is_active,
            expires_at: row.expires_at,
            is_limited: row.is_limited,
        }))
    }
}

struct PermissionRow {
    id: i64,
    collection_id: Uuid,
    user_id: i64,
    username: String,
    api_key_id: Option<Uuid>,
    api_key_name: Option<String>,
    permission: String,
    created_at: DateTime<Utc>,
}

impl TryFrom<PermissionRow> for CollectionPermission {
    type Error = DbError;

    fn try_from(row: PermissionRow) -> Result<Self, DbError> {
        Ok(Self {
            id: PermissionId(row.id),
            collection_id: CollectionId(row.collection_id),
            user_id: UserId(row.user_id),
            username: row.username,
            api_key: row.api_key_id.map(ApiKeyId).zip(row.api_key_name),
            permission: DbError::parse_label("collection_permissions", "permission", &row.permission)?,
            created_at: row.created_at,
        })
    }
}
