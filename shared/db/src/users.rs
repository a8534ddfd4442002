//! Accounts.

use chrono::{DateTime, Utc};
use domain::UserId;
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
}

/// Serialises the insertion of an installation's first accounts. The number means nothing.
const FIRST_USER_LOCK: i64 = 0x5e3a_0001;

/// Reads and changes accounts.
#[derive(Debug)]
pub struct Users<'c> {
    connection: &'c mut PgConnection,
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
        let exists = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM users) AS "exists!""#)
            .fetch_one(&mut *self.connection)
            .await?;
        if !exists {
            // Held until the transaction ends, so that the next one sees this account.
            sqlx::query!("SELECT pg_advisory_xact_lock($1)", FIRST_USER_LOCK)
                .execute(&mut *self.connection)
                .await?;
        }
        let row = sqlx::query_as!(
            UserRow,
            "INSERT INTO users (username, email, full_name, hashed_password, is_superuser)
            SELECT $1, $2, $3, $4, NOT EXISTS (SELECT 1 FROM users)
            RETURNING *",
            new.username,
            new.email,
            new.full_name,
            new.hashed_password,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(row.into())
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

struct UserRow {
    id: i64,
    username: String,
    email: String,
    full_name: Option<String>,
    hashed_password: String,
    is_active: bool,
    is_superuser: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    last_login: Option<DateTime<Utc>>,
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
        let new = NewUser { username: &username, email: &email, full_name: None, hashed_password: "x" };
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
