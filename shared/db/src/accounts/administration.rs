//! Administration of user accounts by superusers.

use domain::UserId;

use super::users::{User, UserRow, Users};
use crate::{DbError, Page};

/// Filters and paging of a list of users.
#[derive(Debug, Clone, Copy)]
pub struct UserQuery<'a> {
    /// Only users whose username, full name or email address contains this, ignoring case.
    pub search: Option<&'a str>,
    /// Only active or only deactivated users.
    pub is_active: Option<bool>,
    /// Maximum number of users to return.
    pub limit: i64,
    /// Number of users to skip.
    pub offset: i64,
}

/// Users that are locked until the transaction ends.
#[derive(Debug)]
pub struct LockedUsers {
    /// The user with the requested ID.
    pub user: Option<User>,
    /// Every active superuser, ordered by ID.
    pub active_superusers: Vec<UserId>,
}

impl LockedUsers {
    /// Returns whether this user is an active superuser.
    pub fn is_active_superuser(&self, id: UserId) -> bool {
        self.active_superusers.contains(&id)
    }

    /// Returns whether this user is the only active superuser.
    pub fn is_last_superuser(&self, id: UserId) -> bool {
        self.active_superusers == [id]
    }
}

impl Users<'_> {
    /// Returns the users that match, oldest first.
    pub async fn list(&mut self, query: &UserQuery<'_>) -> Result<Page<User>, DbError> {
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "total!" FROM users
            WHERE ($2::boolean IS NULL OR is_active = $2)
                AND ($1::text IS NULL OR strpos(lower(username), lower($1)) > 0
                    OR strpos(lower(email), lower($1)) > 0 OR strpos(lower(full_name), lower($1)) > 0)"#,
            query.search,
            query.is_active,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let rows = sqlx::query_as!(
            UserRow,
            "SELECT * FROM users
            WHERE ($2::boolean IS NULL OR is_active = $2)
                AND ($1::text IS NULL OR strpos(lower(username), lower($1)) > 0
                    OR strpos(lower(email), lower($1)) > 0 OR strpos(lower(full_name), lower($1)) > 0)
            ORDER BY id LIMIT $3 OFFSET $4",
            query.search,
            query.is_active,
            query.limit,
            query.offset,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(Page { items: rows.into_iter().map(User::from).collect(), total })
    }

    /// Locks the user with this ID and all active superusers, so that a decision based on them holds until
    /// the transaction ends. Locks in the order of IDs, which avoids a deadlock between two superusers who
    /// change each other.
    pub async fn lock_with_superusers(&mut self, id: UserId) -> Result<LockedUsers, DbError> {
        let rows = sqlx::query_as!(
            UserRow,
            "SELECT * FROM users WHERE id = $1 OR (is_superuser AND is_active)
            ORDER BY id FOR NO KEY UPDATE",
            id.0,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let users: Vec<User> = rows.into_iter().map(User::from).collect();
        let active_superusers =
            users.iter().filter(|user| user.is_superuser && user.is_active).map(|user| user.id).collect();
        Ok(LockedUsers { user: users.into_iter().find(|user| user.id == id), active_superusers })
    }

    /// Updates what a superuser can change: full name, email address, whether the user is active and
    /// whether they are a superuser.
    pub async fn administer(
        &mut self,
        id: UserId,
        full_name: Option<&str>,
        is_active: bool,
        is_superuser: bool,
    ) -> Result<Option<User>, DbError> {
        let row = sqlx::query_as!(
            UserRow,
            "UPDATE users SET full_name = $2, is_active = $3, is_superuser = $4, updated_at = now()
            WHERE id = $1 RETURNING *",
            id.0,
            full_name,
            is_active,
            is_superuser,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(row.map(User::from))
    }
}
