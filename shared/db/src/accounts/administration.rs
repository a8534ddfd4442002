//! What superusers do with the accounts of others.

use domain::UserId;

use super::users::{User, UserRow, Users};
use crate::{DbError, Page};

/// Which accounts a list shows.
#[derive(Debug, Clone, Copy)]
pub struct UserQuery<'a> {
    /// Only those whose name, full name or address contains this, whatever the case.
    pub search: Option<&'a str>,
    /// Only active ones, or only deactivated ones.
    pub is_active: Option<bool>,
    /// The most to return.
    pub limit: i64,
    /// How many to pass over.
    pub offset: i64,
}

/// Accounts that nobody else changes until the transaction ends.
#[derive(Debug)]
pub struct LockedUsers {
    /// The account that was asked for.
    pub user: Option<User>,
    /// Every active superuser, by id.
    pub active_superusers: Vec<UserId>,
}

impl LockedUsers {
    /// Whether this account administers the installation.
    pub fn is_active_superuser(&self, id: UserId) -> bool {
        self.active_superusers.contains(&id)
    }

    /// Whether this account is the only one that does.
    pub fn is_last_superuser(&self, id: UserId) -> bool {
        self.active_superusers == [id]
    }
}

impl Users<'_> {
    /// The accounts that the query asks for, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// The account with this id and all active superusers, locked: what is decided by them holds
    /// until the transaction ends. Locked in the order of their ids, so that two administrators who
    /// change each other wait instead of blocking each other.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// Writes what a superuser can change: what to call the person, whether the account may be
    /// used, whether it administers the installation.
    ///
    /// # Errors
    /// When the database does not answer.
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
