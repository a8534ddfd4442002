//! Who else may use a collection: grants to users and to API keys.
//!
//! What follows from them is decided in `collection_access.rs`.

use chrono::{DateTime, Utc};
use domain::{ApiKeyId, CollectionId, Permission, PermissionId, Principal, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{DbError, Page};

/// Whom something is granted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grantee {
    /// A user, in person and by those of their keys that are not limited to other collections.
    User(UserId),
    /// One API key.
    ApiKey(ApiKeyId),
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionPermission {
    /// Its id.
    pub id: PermissionId,
    /// The collection that is shared.
    pub collection_id: CollectionId,
    /// The user it is granted to, or whose key it is granted to.
    pub user_id: UserId,
    /// That user's name.
    pub username: String,
    /// The key it is granted to, with its name, if it is granted to one.
    pub api_key: Option<(ApiKeyId, String)>,
    /// What is granted.
    pub permission: Permission,
    /// When it was granted first.
    pub created_at: DateTime<Utc>,
}

impl CollectionPermission {
    /// Whom it is granted to.
    pub fn grantee(&self) -> Grantee {
        match self.api_key {
            Some((id, _)) => Grantee::ApiKey(id),
            None => Grantee::User(self.user_id),
        }
    }
}

/// What a grant has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantOutcome {
    /// The grant.
    pub id: PermissionId,
    /// What was granted before, if anything.
    pub before: Option<Permission>,
}

/// An API key that something is to be granted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantableKey {
    /// The account it acts for.
    pub user_id: UserId,
    /// Whether that account is active.
    pub user_is_active: bool,
    /// Whether the key was not revoked.
    pub is_active: bool,
    /// When it stops to work.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether it reaches some of its user's collections only.
    pub is_limited: bool,
}

/// Reads and changes grants.
#[derive(Debug)]
pub struct CollectionPermissions<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> CollectionPermissions<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// The collection's grants, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// Those of the collection's grants that the caller profits from: two at most.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_of(
        &mut self,
        collection_id: CollectionId,
        principal: &Principal,
    ) -> Result<Vec<CollectionPermission>, DbError> {
        self.select(collection_id, None, Some(principal.user_id), principal.api_key_id, 2, 0).await
    }

    /// This grant, if it is one on that collection.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// Grants something, in place of what was granted to the same user or key before. While the
    /// transaction holds [`super::collection::Collections::lock_owner`], `before` is exact.
    ///
    /// # Errors
    /// When there is no such collection, user or key, or the database does not answer.
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
        let before = DbError::optional_word("collection_permissions", "permission", before.as_deref())?;
        Ok(GrantOutcome { id: PermissionId(id), before })
    }

    /// Takes back what was granted to this user or key; returns what that was.
    ///
    /// # Errors
    /// When the database does not answer.
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
        let permission = DbError::word("collection_permissions", "permission", &row.permission)?;
        Ok(Some((PermissionId(row.id), permission)))
    }

    /// What has to be known of an API key before something is granted to it.
    ///
    /// # Errors
    /// When the database does not answer.
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
            permission: DbError::word("collection_permissions", "permission", &row.permission)?,
            created_at: row.created_at,
        })
    }
}
