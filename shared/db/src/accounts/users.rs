//! Accounts.

use chrono::{DateTime, Utc};
use domain::{SessionId, UserId};
use sqlx::PgConnection;

use crate::DbError;

/// An account. `hashed_password` never leaves the program.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The name to sign in with.
    pub username: String,
    /// Where to reach the person.
    pub email: String,
    /// What to call the person.
    pub full_name: Option<String>,
    /// The argon2 hash in PHC form.
    pub hashed_password: String,
    /// Whether it may sign in and be used.
    pub is_active: bool,
    /// Whether it administers this installation.
    pub is_superuser: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When somebody last signed in with it.
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

/// What a new account starts with.
#[derive(Debug, Clone, Copy)]
pub struct NewUser<'a> {
    /// The name to sign in with; unique whatever the case.
    pub username: &'a str,
    /// Where to reach the person; unique whatever the case.
    pub email: &'a str,
    /// What to call the person.
    pub full_name: Option<&'a str>,
    /// The argon2 hash in PHC form.
    pub hashed_password: &'a str,
    /// Whether it administers this installation; the first account does in any case.
    pub is_superuser: bool,
}

/// An account, and whether the session that a request names is still alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionUser {
    /// The account's id.
    pub id: UserId,
    /// Its name.
    pub username: String,
    /// Whether it may be used.
    pub is_active: bool,
    /// Whether it administers this installation.
    pub is_superuser: bool,
    /// Whether the session was neither ended nor ran out.
    pub session_is_alive: bool,
}

/// Serialises the insertion of an installation's first accounts. The number means nothing.
const FIRST_USER_LOCK: i64 = 0x5e3a_0001;

/// Reads and changes accounts.
#[derive(Debug)]
pub struct Users<'c> {
    pub(crate) connection: &'c mut PgConnection,
}

impl<'c> Users<'c> {
    /// The constraint that keeps names unique.
    pub const USERNAME_CONSTRAINT: &'static str = "uq_users_username";
    /// The constraint that keeps addresses unique.
    pub const EMAIL_CONSTRAINT: &'static str = "uq_users_email";

    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Adds an account. The first one of an installation becomes its superuser: call this in a
    /// transaction, which makes that hold among simultaneous first registrations too.
    ///
    /// # Errors
    /// [`DbError::Constraint`] with one of the names above where it is taken; when the database
    /// does not answer.
    pub async fn insert(&mut self, new: &NewUser<'_>) -> Result<User, DbError> {
        if !self.any().await? {
            // Held until the transaction ends, so that the next one sees this account.
            sqlx::query!("SELECT pg_advisory_xact_lock($1)", FIRST_USER_LOCK)
                .execute(&mut *self.connection)
                .await?;
        }
        let row = sqlx::query_as!(
            UserRow,
            "INSERT INTO users (username, email, full_name, hashed_password, is_superuser)
            SELECT $1, $2, $3, $4, $5 OR NOT EXISTS (SELECT 1 FROM users)
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

    /// Whether there is any account.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn any(&mut self) -> Result<bool, DbError> {
        let exists = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM users) AS "exists!""#)
            .fetch_one(&mut *self.connection)
            .await?;
        Ok(exists)
    }

    /// The account with this id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find(&mut self, id: UserId) -> Result<Option<User>, DbError> {
        let row = sqlx::query_as!(UserRow, "SELECT * FROM users WHERE id = $1", id.0)
            .fetch_optional(&mut *self.connection)
            .await?;
        Ok(row.map(User::from))
    }

    /// The account with this name, whatever its case.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_by_username(&mut self, username: &str) -> Result<Option<User>, DbError> {
        let row = sqlx::query_as!(UserRow, "SELECT * FROM users WHERE lower(username) = lower($1)", username)
            .fetch_optional(&mut *self.connection)
            .await?;
        Ok(row.map(User::from))
    }

    /// The account with this id and whether this session of it is alive, by one statement.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// The account with this id, and nobody else changes it until the transaction ends. Whoever
    /// opens or ends sessions or adds API keys takes this first: so a session that is just being
    /// renewed is not missed when all are ended, and keys are counted before one is added.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lock(&mut self, id: UserId) -> Result<Option<User>, DbError> {
        // NO KEY: rows that refer to the account can be inserted meanwhile.
        let row = sqlx::query_as!(UserRow, "SELECT * FROM users WHERE id = $1 FOR NO KEY UPDATE", id.0)
            .fetch_optional(&mut *self.connection)
            .await?;
        Ok(row.map(User::from))
    }

    /// Writes what its owner can change: what to call the person, and where to reach them.
    ///
    /// # Errors
    /// [`DbError::Constraint`] with [`Self::EMAIL_CONSTRAINT`] where the address is taken; when the
    /// database does not answer.
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
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// Notes that somebody signed in.
    ///
    /// # Errors
    /// When the database does not answer.
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
    async fn one_of_twenty_parallel_registrations_of_a_name_wins(pool: PgPool) {
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
    async fn one_of_many_first_accounts_becomes_superuser(pool: PgPool) {
        let db = Db::from_pool(pool);
        let tasks: Vec<_> = (0..20)
            .map(|n| tokio::spawn(register(db.clone(), format!("user{n}"), format!("u{n}@example.org"))))
            .collect();
        let mut superusers = 0;
        for task in tasks {
            superusers += usize::from(task.await.unwrap().unwrap().is_superuser);
        }
        assert_eq!(superusers, 1);
        let later = register(db, "later".to_owned(), "later@example.org".to_owned()).await.unwrap();
        assert!(!later.is_superuser);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn names_and_addresses_are_one_whatever_their_case(pool: PgPool) {
        let db = Db::from_pool(pool);
        register(db.clone(), "Ada".to_owned(), "Ada@Example.org".to_owned()).await.unwrap();
        let taken = register(db.clone(), "bob".to_owned(), "ada@example.ORG".to_owned()).await.unwrap_err();
        assert_eq!(taken.constraint(), Some(Users::EMAIL_CONSTRAINT));
        let found = db.connection().await.unwrap().users().find_by_username("ADA").await.unwrap();
        assert_eq!(found.unwrap().username, "Ada");
    }
}
