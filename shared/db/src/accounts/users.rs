//! User accounts.

use chrono::{DateTime, Utc};
use domain::{SessionId, UserId};
use sqlx::PgConnection;

use crate::DbError;

/// A user account. `hashed_password` is never sent to clients.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// ID of the user.
    pub id: UserId,
    /// Name to sign in with.
    pub username: String,
    /// Email address.
    pub email: String,
    /// Full name.
    pub full_name: Option<String>,
    /// Argon2 hash of the password in PHC format.
    pub hashed_password: String,
    /// Whether the user may sign in and use sessions and API keys.
    pub is_active: bool,
    /// Whether the user is a superuser.
    pub is_superuser: bool,
    /// When the account was created.
    pub created_at: DateTime<Utc>,
    /// When the account was last changed.
    pub updated_at: DateTime<Utc>,
    /// When the user last signed in.
    pub last_login: Option<DateTime<Utc>>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("User")
            .field("id", &self.id)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// A user account to insert.
#[derive(Debug, Clone, Copy)]
pub struct NewUser<'a> {
    /// Name to sign in with; unique, ignoring case.
    pub username: &'a str,
    /// Email address; unique, ignoring case.
    pub email: &'a str,
    /// Full name.
    pub full_name: Option<&'a str>,
    /// Argon2 hash of the password in PHC format.
    pub hashed_password: &'a str,
    /// Whether the user is a superuser.
    pub is_superuser: bool,
}

/// A user, and whether the session that a request presented is still active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionUser {
    /// ID of the user.
    pub id: UserId,
    /// Name of the user.
    pub username: String,
    /// Whether the user is active.
    pub is_active: bool,
    /// Whether the user is a superuser.
    pub is_superuser: bool,
    /// Whether the session has neither ended nor expired.
    pub session_is_alive: bool,
}

/// Reads and changes user accounts.
#[derive(Debug)]
pub struct Users<'c> {
    pub(crate) connection: &'c mut PgConnection,
}

impl<'c> Users<'c> {
    /// The constraint that makes usernames unique.
    pub const USERNAME_CONSTRAINT: &'static str = "uq_users_username";

    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Inserts a user.
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] with [`Self::USERNAME_CONSTRAINT`] if the username is taken.
    pub async fn insert(&mut self, new: &NewUser<'_>) -> Result<User, DbError> {
        let row = sqlx::query_as!(
            UserRow,
            "INSERT INTO users (username, email, full_name, hashed_password, is_superuser)
            VALUES ($1, $2, $3, $4, $5)
            RETURNING *",
            new.username,
            new.email,
            new.full_name,
            new.hashed_password,
            new.is_superuser,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(row.into())
    }

    /// Returns whether there is an active superuser.
    pub async fn any_superuser(&mut self) -> Result<bool, DbError> {
        let exists = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM users WHERE is_superuser AND is_active) AS "exists!""#
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(exists)
    }

    /// Returns the user with this ID.
    pub async fn find(&mut self, id: UserId) -> Result<Option<User>, DbError> {
        let row = sqlx::query_as!(UserRow, "SELECT * FROM users WHERE id = $1", id.0)
            .fetch_optional(&mut *self.connection)
            .await?;
        Ok(row.map(User::from))
    }

    /// Returns the user with this username, ignoring case.
    pub async fn find_by_username(&mut self, username: &str) -> Result<Option<User>, DbError> {
        let row = sqlx::query_as!(UserRow, "SELECT * FROM users WHERE lower(username) = lower($1)", username)
            .fetch_optional(&mut *self.connection)
            .await?;
        Ok(row.map(User::from))
    }

    /// Returns the active user with this email address, ignoring case; `None` if there are several.
    /// Addresses are not verified, so one identifies a user only while it is unambiguous.
    pub async fn find_by_email(&mut self, email: &str) -> Result<Option<User>, DbError> {
        let rows = sqlx::query_as!(
            UserRow,
            "SELECT * FROM users WHERE lower(email) = lower($1) AND is_active LIMIT 2",
            email,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let only = <[UserRow; 1]>::try_from(rows).ok();
        Ok(only.map(|[row]| User::from(row)))
    }

    /// Returns whether the two users are members of the same collection: as its owner or by a permission.
    pub async fn share_a_collection(&mut self, one: UserId, other: UserId) -> Result<bool, DbError> {
        let shared = sqlx::query_scalar!(
            r#"WITH common AS (
                (
                    SELECT id FROM collections WHERE owner_id = $1
                    UNION SELECT collection_id FROM collection_permissions WHERE user_id = $1
                )
                INTERSECT
                (
                    SELECT id FROM collections WHERE owner_id = $2
                    UNION SELECT collection_id FROM collection_permissions WHERE user_id = $2
                )
            )
            SELECT EXISTS (
                SELECT FROM common JOIN collections c ON c.id = common.id WHERE c.deleted_at IS NULL
            ) AS "shared!""#,
            one.0,
            other.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(shared)
    }

    /// Returns the user with this ID, and whether this session of theirs is active.
    pub async fn find_with_session(
        &mut self,
        id: UserId,
        session_id: SessionId,
        now: DateTime<Utc>,
    ) -> Result<Option<SessionUser>, DbError> {
        let row = sqlx::query!(
            r#"SELECT id, username, is_active, is_superuser, EXISTS (
                SELECT 1 FROM refresh_tokens t
                WHERE t.family_id = $2 AND NOT t.is_revoked AND t.user_id = users.id AND t.expires_at > $3
            ) AS "session_is_alive!"
            FROM users WHERE id = $1"#,
            id.0,
            session_id.0,
            now,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(row.map(|row| SessionUser {
            id: UserId(row.id),
            username: row.username,
            is_active: row.is_active,
            is_superuser: row.is_superuser,
            session_is_alive: row.session_is_alive,
        }))
    }

    /// Locks the user until the transaction ends and returns it. Take this lock before starting or ending
    /// sessions and before adding API keys: ending all sessions then includes one that is being refreshed,
    /// and counts of keys stay exact.
    pub async fn lock(&mut self, id: UserId) -> Result<Option<User>, DbError> {
        // NO KEY: does not block inserts of rows that refer to the user.
        let row = sqlx::query_as!(UserRow, "SELECT * FROM users WHERE id = $1 FOR NO KEY UPDATE", id.0)
            .fetch_optional(&mut *self.connection)
            .await?;
        Ok(row.map(User::from))
    }

    /// Updates what the user can change: full name and email address.
    pub async fn update_profile(
        &mut self,
        id: UserId,
        full_name: Option<&str>,
        email: &str,
    ) -> Result<Option<User>, DbError> {
        let row = sqlx::query_as!(
            UserRow,
            "UPDATE users SET full_name = $2, email = $3, updated_at = now() WHERE id = $1 RETURNING *",
            id.0,
            full_name,
            email,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(row.map(User::from))
    }

    /// Replaces the password.
    pub async fn set_password(&mut self, id: UserId, hashed_password: &str) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE users SET hashed_password = $2, updated_at = now() WHERE id = $1",
            id.0,
            hashed_password,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Records a sign-in.
    pub async fn mark_signed_in(&mut self, id: UserId, now: DateTime<Utc>) -> Result<(), DbError> {
        sqlx::query!("UPDATE users SET last_login = $2 WHERE id = $1", id.0, now)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}

pub(crate) struct UserRow {
    pub(crate) id: i64,
    pub(crate) username: String,
    pub(crate) email: String,
    pub(crate) full_name: Option<String>,
    pub(crate) hashed_password: String,
    pub(crate) is_active: bool,
    pub(crate) is_superuser: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) last_login: Option<DateTime<Utc>>,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: UserId(row.id),
            username: row.username,
            email: row.email,
            full_name: row.full_name,
            hashed_password: row.hashed_password,
            is_active: row.is_active,
            is_superuser: row.is_superuser,
            created_at: row.created_at,
            updated_at: row.updated_at,
            last_login: row.last_login,
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::Db;

    async fn register(db: Db, username: String, email: String) -> Result<User, DbError> {
        let mut tx = db.begin().await?;
        let new = NewUser {
            username: &username,
            email: &email,
            full_name: None,
            hashed_password: "x",
            is_superuser: false,
        };
        let user = tx.users().insert(&new).await?;
        tx.commit().await?;
        Ok(user)
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn one_of_twenty_concurrent_registrations_of_a_name_succeeds(pool: PgPool) {
        let db = Db::from_pool(pool);
        let tasks: Vec<_> = (0..20)
            .map(|n| {
                let name = if n % 2 == 0 { "Ada" } else { "ada" };
                tokio::spawn(register(db.clone(), name.to_owned(), format!("ada{n}@example.org")))
            })
            .collect();
        let mut winners = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => winners += 1,
                Err(error) => assert_eq!(error.constraint(), Some(Users::USERNAME_CONSTRAINT)),
            }
        }
        assert_eq!(winners, 1);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn usernames_ignore_case(pool: PgPool) {
        let db = Db::from_pool(pool);
        register(db.clone(), "Ada".to_owned(), "ada@example.org".to_owned()).await.unwrap();
        let found = db.connection().await.unwrap().users().find_by_username("ADA").await.unwrap();
        assert_eq!(found.unwrap().username, "Ada");
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn an_email_address_identifies_a_user_while_one_active_account_has_it(pool: PgPool) {
        let db = Db::from_pool(pool.clone());
        register(db.clone(), "ada".to_owned(), "Ada@Example.org".to_owned()).await.unwrap();
        let find = async || {
            let found = db.connection().await.unwrap().users().find_by_email("ada@example.ORG").await;
            found.unwrap().map(|user| user.username)
        };
        assert_eq!(find().await.as_deref(), Some("ada"));
        register(db.clone(), "eve".to_owned(), "ada@example.org".to_owned()).await.unwrap();
        assert_eq!(find().await, None);
        sqlx::query("UPDATE users SET is_active = FALSE WHERE username = 'eve'")
            .execute(&pool)
            .await
            .unwrap();
        assert_eq!(find().await.as_deref(), Some("ada"));
    }
}
