//! Accounts: making one, looking at one's own.

use auth::PasswordError;
use axum::Json;
use axum::extract::State as Shared;
use chrono::{DateTime, Utc};
use db::DbError;
use db::users::{NewUser, User, Users};
use domain::{Actor, Classify, ErrorKind, UserId};
use guard::Caller;
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ClientInfo, Problem};
use serde::{Deserialize, Serialize};
use serde_json::json;
use thiserror::Error;
use utoipa::ToSchema;

use crate::State;
use crate::audit::{self, Change};
use crate::openapi::BodyErrors;
use crate::validation::Checks;

/// The longest password, in characters: hashing a longer one would only cost time.
pub(crate) const MAX_PASSWORD_CHARS: usize = 1024;

/// A new account.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct RegisterRequest {
    /// 3 to 64 letters, digits and underscores; `Ada` and `ada` are the same.
    #[schema(min_length = 3, max_length = 64, pattern = "^[A-Za-z0-9_]+$", example = "ada")]
    username: String,
    /// Where to reach the person.
    #[schema(max_length = 254, example = "ada@example.org")]
    email: String,
    /// 8 to 1024 characters.
    #[schema(min_length = 8, max_length = 1024, format = "password", example = "correct horse battery")]
    password: String,
    /// What to call the person.
    #[schema(max_length = 255)]
    full_name: Option<String>,
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserResponse {
    #[schema(value_type = i64)]
    id: UserId,
    username: String,
    email: String,
    full_name: Option<String>,
    is_active: bool,
    /// Whether it administers this installation.
    is_superuser: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    last_login: Option<DateTime<Utc>>,
}

impl From<User> for UserResponse {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            username: user.username,
            email: user.email,
            full_name: user.full_name,
            is_active: user.is_active,
            is_superuser: user.is_superuser,
            created_at: user.created_at,
            updated_at: user.updated_at,
            last_login: user.last_login,
        }
    }
}

/// Register an account
///
/// The first account of an installation becomes its superuser.
#[utoipa::path(
    post, path = "/api/auth/register", tag = "auth", request_body = RegisterRequest,
    responses(
        (status = 201, body = UserResponse),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The name or the address is taken."),
        BodyErrors,
    ),
)]
pub(crate) async fn register(
    Shared(state): Shared<State>,
    client: ClientInfo,
    ApiJson(request): ApiJson<RegisterRequest>,
) -> Result<(StatusCode, Json<UserResponse>), ApiError> {
    check(&request)?;
    let password = request.password;
    let hashed_password = off_thread(move || auth::hash_password(&password)).await?;

    let mut tx = state.db.begin().await?;
    let new = NewUser {
        username: &request.username,
        email: request.email.trim(),
        full_name: request.full_name.as_deref(),
        hashed_password: &hashed_password,
    };
    let user = match tx.users().insert(&new).await {
        Ok(user) => user,
        Err(error) => return Err(explain(error, &request.username, &request.email)),
    };
    let change = Change {
        action: "user_registered",
        actor: Actor::person(user.id),
        collection: None,
        operation_id: None,
        details: json!({ "username": user.username, "is_superuser": user.is_superuser }),
    };
    audit::record(&mut tx, &client, change).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// Show the caller's account
#[utoipa::path(
    get, path = "/api/auth/me", tag = "auth",
    responses((status = 200, body = UserResponse)),
)]
pub(crate) async fn me(Shared(state): Shared<State>, caller: Caller) -> Result<Json<UserResponse>, ApiError> {
    let id = caller.principal.user_id;
    let user = state.db.connection().await?.users().find(id).await?;
    let user = user.ok_or_else(|| ApiError::not_found("user", id))?;
    Ok(Json(user.into()))
}

/// Why the work of a password could not be done.
#[derive(Debug, Error)]
pub(crate) enum PasswordWorkError {
    /// The hash function or what is stored.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The thread that did it ended early.
    #[error("the thread that hashes ended early")]
    Thread(#[from] tokio::task::JoinError),
}

impl Classify for PasswordWorkError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }
}

/// Runs tens of milliseconds of hashing where it holds up nothing else.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
) -> Result<T, PasswordWorkError> {
    Ok(tokio::task::spawn_blocking(work).await??)
}

fn check(request: &RegisterRequest) -> Result<(), ApiError> {
    let mut checks = Checks::default();
    checks.length("username", &request.username, 3..=64);
    let is_plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
    if !request.username.chars().all(is_plain) {
        checks.refuse(
            "username",
            format!("may have letters, digits and underscores, got {:?}", request.username),
        );
    }
    if !is_email(request.email.trim()) {
        checks.refuse("email", format!("must be an address like ada@example.org, got {:?}", request.email));
    }
    checks.length("password", &request.password, 8..=MAX_PASSWORD_CHARS);
    if let Some(full_name) = &request.full_name {
        checks.length("full_name", full_name, 0..=255);
        if full_name.chars().any(char::is_control) {
            checks.refuse("full_name", "must not have control characters");
        }
    }
    checks.finish()
}

/// Enough to catch what was typed into the wrong field; whether mail arrives, only mail can tell.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let is_bad = |character: char| character.is_whitespace() || character.is_control() || character == '@';
    let labels_are_full = domain.split('.').all(|label| !label.is_empty());
    text.len() <= 254
        && !local.is_empty()
        && domain.contains('.')
        && labels_are_full
        && !local.contains(is_bad)
        && !domain.contains(is_bad)
}

fn explain(error: DbError, username: &str, email: &str) -> ApiError {
    match error.constraint() {
        Some(Users::USERNAME_CONSTRAINT) => {
            ApiError::new(ErrorKind::Conflict, format!("the username {username:?} is taken; choose another"))
        }
        Some(Users::EMAIL_CONSTRAINT) => ApiError::new(
            ErrorKind::Conflict,
            format!("there is an account with the email {email:?}; sign in with it or use another"),
        ),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_is_named_at_once() {
        let request = RegisterRequest {
            username: "a!".to_owned(),
            email: "ada@localhost".to_owned(),
            password: "short".to_owned(),
            full_name: None,
        };
        insta::assert_snapshot!(check(&request).unwrap_err().detail(), @r#"username: must have 3 to 64 characters, got 2; username: may have letters, digits and underscores, got "a!"; email: must be an address like ada@example.org, got "ada@localhost"; password: must have 8 to 1024 characters, got 5"#);
    }

    #[test]
    fn addresses_are_told_from_other_texts() {
        for good in ["ada@example.org", "a+b.c@sub.example.co", "ä@exämple.org"] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@example",
            "a b@example.org",
            "a@@example.org",
            "ada@example..org",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
