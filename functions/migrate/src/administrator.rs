//! Creates the first superuser: registration creates none, and only a superuser can make others.

use auth::PasswordError;
use db::accounts::{NewUser, Users};
use db::audit::AuditEntry;
use db::{Db, DbError};
use domain::{Classify, ErrorKind};
use secrecy::{ExposeSecret, SecretString};
use secrets::{Secret, SecretError, SecretSource};
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;

const SHAPE: &str = r#"{"username": "…", "email": "…", "password": "…"}"#;

/// The account, as the secret describes it.
#[derive(Deserialize)]
pub(crate) struct Administrator {
    username: String,
    email: String,
    password: SecretString,
}

/// Why there is no superuser.
#[derive(Debug, Error)]
pub(crate) enum AdministratorError {
    /// A statement failed, or the database cannot be reached.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The secret cannot be read or is malformed.
    #[error("the first superuser cannot be created")]
    Secret(#[from] SecretError),
    /// A field of the secret is not allowed.
    #[error("the first superuser cannot be created; correct AdministratorSecret: {0}")]
    Invalid(String),
    /// Another account has the username.
    #[error(
        "the first superuser cannot be created: the username {0:?} is taken by an account without that right; put another \
         username into AdministratorSecret"
    )]
    Taken(String),
    /// The password cannot be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl Classify for AdministratorError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Db(error) => error.kind(),
            Self::Secret(error) => error.kind(),
            Self::Invalid(_) | Self::Taken(_) => ErrorKind::Invalid,
            Self::Password(_) => ErrorKind::Internal,
        }
    }
}

/// Creates the superuser that the secret describes, unless there is an active one already. Without need the secret is
/// not read, so it may be deleted after the first run.
pub(crate) async fn ensure(db: &Db, source: Option<&SecretSource>) -> Result<(), AdministratorError> {
    if db.connection().await?.users().any_superuser().await? {
        return Ok(());
    }
    let Some(source) = source else {
        tracing::warn!("nobody administers this installation; deploy with AdministratorSecret");
        return Ok(());
    };
    let administrator = read(source).await?;
    check(&administrator)?;
    create(db, &administrator).await
}

async fn read(source: &SecretSource) -> Result<Administrator, AdministratorError> {
    let parse = |text: &SecretString| secrets::json(text, SHAPE);
    match source {
        SecretSource::Value(text) => parse(text).map_err(AdministratorError::Invalid),
        // Read anew: an attempt may follow a correction.
        SecretSource::Arn(arn) => {
            let secret = Secret::managed(arn, parse).get().await?;
            let Administrator { username, email, password } = &*secret;
            Ok(Administrator { username: username.clone(), email: email.clone(), password: password.clone() })
        }
    }
}

/// Applies the rules of registration.
fn check(administrator: &Administrator) -> Result<(), AdministratorError> {
    let Administrator { username, email, password } = administrator;
    let mut problems = Vec::new();
    problems
        .extend(auth::username_problems(username).into_iter().map(|problem| format!("username: {problem}")));
    problems.extend(auth::email_problem(email).map(|problem| format!("email: {problem}")));
    let weakness = auth::password_problem(password.expose_secret(), &[username, email]);
    problems.extend(weakness.map(|problem| format!("password: {problem}")));
    if problems.is_empty() { Ok(()) } else { Err(AdministratorError::Invalid(problems.join("; "))) }
}

async fn create(db: &Db, administrator: &Administrator) -> Result<(), AdministratorError> {
    let hashed_password = auth::hash_password(administrator.password.expose_secret())?;
    let new = NewUser {
        username: &administrator.username,
        email: administrator.email.trim(),
        full_name: None,
        hashed_password: &hashed_password,
        is_superuser: true,
    };
    let mut tx = db.begin().await?;
    let user = match tx.users().insert(&new).await {
        Ok(user) => user,
        Err(error) if error.constraint() == Some(Users::USERNAME_CONSTRAINT) => {
            drop(tx);
            // Another run may have created it at the same time.
            return match db.connection().await?.users().any_superuser().await? {
                true => Ok(()),
                false => Err(AdministratorError::Taken(administrator.username.clone())),
            };
        }
        Err(error) => return Err(error.into()),
    };
    let entry = AuditEntry {
        collection_id: None,
        collection_name: None,
        operation_id: None,
        actor: None,
        action: "user_created",
        details: &json!({ "user_id": user.id, "username": user.username, "after": { "is_superuser": true } }),
        ip_address: None,
        user_agent: None,
        request_id: None,
    };
    tx.audit_log().insert(&entry).await?;
    tx.commit().await?;
    tracing::info!(username = user.username, "the first superuser was created");
    Ok(())
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;

    fn secret(username: &str, email: &str, password: &str) -> SecretSource {
        let text = json!({ "username": username, "email": email, "password": password }).to_string();
        SecretSource::Value(text.into())
    }

    async fn superusers(pool: &PgPool) -> Vec<String> {
        sqlx::query_scalar("SELECT username FROM users WHERE is_superuser ORDER BY id")
            .fetch_all(pool)
            .await
            .unwrap()
    }

    #[sqlx::test(migrator = "db::MIGRATOR")]
    async fn the_first_superuser_is_created_once_and_can_sign_in(pool: PgPool) {
        let db = Db::from_pool(pool.clone());
        ensure(&db, None).await.unwrap();
        assert!(superusers(&pool).await.is_empty());
        ensure(&db, Some(&secret("ada", "ada@example.org", "correct horse battery"))).await.unwrap();
        // Another secret, even an unusable one, changes nothing any more.
        ensure(&db, Some(&secret("eve", "eve@example.org", "another horse battery"))).await.unwrap();
        ensure(&db, Some(&SecretSource::Value("deleted".into()))).await.unwrap();
        assert_eq!(superusers(&pool).await, ["ada"]);
        let stored: String =
            sqlx::query_scalar("SELECT hashed_password FROM users").fetch_one(&pool).await.unwrap();
        assert!(auth::verify_password("correct horse battery", Some(&stored)).unwrap());
        let audited: String =
            sqlx::query_scalar("SELECT action FROM collection_audit_log").fetch_one(&pool).await.unwrap();
        assert_eq!(audited, "user_created");
    }

    #[sqlx::test(migrator = "db::MIGRATOR")]
    async fn concurrent_runs_create_one_superuser(pool: PgPool) {
        let db = Db::from_pool(pool.clone());
        let runs: Vec<_> = (0..8)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move {
                    ensure(&db, Some(&secret("ada", "ada@example.org", "correct horse battery"))).await
                })
            })
            .collect();
        for run in runs {
            run.await.unwrap().unwrap();
        }
        assert_eq!(superusers(&pool).await, ["ada"]);
    }

    #[sqlx::test(migrator = "db::MIGRATOR")]
    async fn a_secret_that_makes_no_account_is_refused_and_never_shown(pool: PgPool) {
        sqlx::query(
            "INSERT INTO users (username, email, hashed_password) VALUES ('Ada', 'a@example.org', 'x')",
        )
        .execute(&pool)
        .await
        .unwrap();
        let db = Db::from_pool(pool.clone());
        for (source, reason) in [
            (secret("ada", "ada@example.org", "correct horse battery"), "the username \"ada\" is taken"),
            (secret("a!", "ada", "hunter2"), "username: wrong length"),
            (secret("grace", "grace@example.org", "hunter2"), "password: wrong length"),
            (secret("grace", "grace@example.org", "grace1234"), "password: is the user's own name"),
            (SecretSource::Value("hunter2".into()), "JSON like"),
        ] {
            let error = lambda::error_chain(&ensure(&db, Some(&source)).await.unwrap_err());
            assert!(error.contains(reason) && !error.contains("hunter2"), "{error}");
        }
        assert!(superusers(&pool).await.is_empty());
    }
}
