//! Accounts: making one, looking at one's own and changing it.

use access::Caller;
use axum::Json;
use axum::extract::State as Shared;
use chrono::{DateTime, Utc};
use db::accounts::{NewUser, User, Users};
use db::{DbError, Tx};
use domain::{Actor, ErrorKind, UserId};
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ClientInfo, ETag, IfMatch, Problem};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::State;
use crate::audit::{self, Change};
use crate::openapi::BodyErrors;
use crate::passwords;
use crate::validation::{Checks, given};

/// A new account.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RegisterRequest {
    /// 3 to 64 letters, digits and underscores; `Ada` and `ada` are the same.
    #[schema(min_length = 3, max_length = 64, pattern = "^[A-Za-z0-9_]+$", example = "ada")]
    username: String,
    /// Where to reach the person.
    #[schema(max_length = 254, format = "email", example = "ada@example.org")]
    email: String,
    /// 8 to 1024 characters.
    #[schema(min_length = 8, max_length = 1024, format = "password", example = "correct horse battery")]
    password: String,
    /// What to call the person.
    #[schema(max_length = 255)]
    full_name: Option<String>,
}

/// What to change of the caller's account; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({ "full_name": "Ada Lovelace" }))]
pub(crate) struct UpdateProfileRequest {
    /// What to call the person; `null` for nothing.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 255)]
    full_name: Option<Option<String>>,
    /// Where to reach the person. Another one needs `current_password`.
    #[schema(max_length = 254)]
    email: Option<String>,
    /// The account's password.
    #[schema(format = "password")]
    current_password: Option<String>,
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
/// The first account of an installation becomes its superuser. Superusers can close registration:
/// then they make the accounts.
#[utoipa::path(
    post, path = "/api/auth/register", tag = "auth", request_body = RegisterRequest,
    responses(
        (status = 201, body = UserResponse),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "Registration is closed."),
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
    let mut connection = state.db.connection().await?;
    if !connection.system_settings().find().await?.registration_open && connection.users().any().await? {
        return Err(ApiError::new(
            ErrorKind::Forbidden,
            "registration is closed on this installation; ask one of its superusers to make an account for you",
        ));
    }
    drop(connection);
    let hashed_password = passwords::hash(request.password).await?;

    let mut tx = state.db.begin().await?;
    let new = NewUser {
        username: &request.username,
        email: request.email.trim(),
        full_name: request.full_name.as_deref(),
        hashed_password: &hashed_password,
        is_superuser: false,
    };
    let user = tx.users().insert(&new).await.map_err(|error| explain(error, new.username, new.email))?;
    let details = json!({ "username": user.username, "is_superuser": user.is_superuser });
    let change = Change::of_accounts("user_registered", Actor::person(user.id), details);
    audit::record(&mut tx, &client, change).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// Show the caller's account
#[utoipa::path(
    get, path = "/api/auth/me", tag = "auth",
    responses((status = 200, body = UserResponse, headers(("ETag" = String, description = "Its version.")))),
)]
pub(crate) async fn me(
    Shared(state): Shared<State>,
    caller: Caller,
) -> Result<(ETag, Json<UserResponse>), ApiError> {
    let id = caller.principal.user_id;
    let user = state.db.connection().await?.users().find(id).await?;
    let user = user.ok_or_else(|| ApiError::not_found("user", id))?;
    Ok((ETag::of(&Profile::of(&user))?, Json(user.into())))
}

/// Change the caller's account
///
/// A new password has a route of its own.
#[utoipa::path(
    patch, path = "/api/auth/me", tag = "auth", request_body = UpdateProfileRequest,
    params(("If-Match" = Option<String>, Header, description = "The version to change.")),
    responses(
        (status = 200, body = UserResponse, headers(("ETag" = String, description = "Its version."))),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "Another account has that address."),
        (status = 412, body = Problem, content_type = "application/problem+json", description = "It was changed since."),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many requests or wrong passwords; `Retry-After` says how long to wait."),
        BodyErrors,
    ),
)]
pub(crate) async fn update_me(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    if_match: IfMatch,
    ApiJson(request): ApiJson<UpdateProfileRequest>,
) -> Result<(ETag, Json<UserResponse>), ApiError> {
    let email = request.email.as_deref().map(str::trim);
    let mut checks = Checks::default();
    if let Some(email) = email {
        check_email(&mut checks, email);
    }
    check_full_name(&mut checks, request.full_name.as_ref().and_then(Option::as_deref));
    checks.finish()?;
    let confirmed = match request.current_password {
        Some(password) => Some(passwords::confirm(&state, &caller, &client, password, Utc::now()).await?),
        None => None,
    };

    let mut tx = state.db.begin().await?;
    let before = match &confirmed {
        Some(confirmed) => confirmed.lock(&mut tx).await?,
        None => lock(&mut tx, caller.principal.user_id).await?,
    };
    if_match.check(&ETag::of(&Profile::of(&before))?)?;
    let email = email.unwrap_or(&before.email);
    if email != before.email && confirmed.is_none() {
        return Err(ApiError::invalid_field("current_password", "is needed to change the email"));
    }
    let full_name = request.full_name.unwrap_or_else(|| before.full_name.clone());
    let after = tx.users().update_profile(before.id, full_name.as_deref(), email).await;
    let after = after.map_err(|error| explain(error, &before.username, email))?;
    let after = after.ok_or_else(|| ApiError::not_found("user", before.id))?;
    let details = json!({ "before": Profile::of(&before), "after": Profile::of(&after) });
    let change = Change::of_accounts("profile_changed", caller.actor(), details);
    audit::record(&mut tx, &client, change).await?;
    tx.commit().await?;
    Ok((ETag::of(&Profile::of(&after))?, Json(after.into())))
}

/// What its owner can change of an account: its version, and what the audit log says of it.
#[derive(Debug, Serialize)]
struct Profile<'a> {
    full_name: Option<&'a str>,
    email: &'a str,
}

impl<'a> Profile<'a> {
    fn of(user: &'a User) -> Self {
        Self { full_name: user.full_name.as_deref(), email: &user.email }
    }
}

/// The caller's account, which nobody else changes until the transaction ends.
///
/// # Errors
/// 401 when it was deactivated since the request came.
pub(crate) async fn lock(tx: &mut Tx, id: UserId) -> Result<User, ApiError> {
    let user = tx.users().lock(id).await?.filter(|user| user.is_active);
    user.ok_or_else(|| {
        ApiError::new(ErrorKind::Unauthenticated, "this account no longer exists or is deactivated")
    })
}

fn check(request: &RegisterRequest) -> Result<(), ApiError> {
    let mut checks = Checks::default();
    check_username(&mut checks, &request.username);
    check_email(&mut checks, &request.email);
    passwords::check(&mut checks, "password", &request.password);
    check_full_name(&mut checks, request.full_name.as_deref());
    checks.finish()
}

pub(crate) fn check_username(checks: &mut Checks, username: &str) {
    checks.length("username", username, 3..=64);
    let is_plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
    if !username.chars().all(is_plain) {
        checks.refuse("username", format!("may have letters, digits and underscores, got {username:?}"));
    }
}

pub(crate) fn check_email(checks: &mut Checks, email: &str) {
    if !is_email(email.trim()) {
        checks.refuse("email", format!("must be an address like ada@example.org, got {email:?}"));
    }
}

pub(crate) fn check_full_name(checks: &mut Checks, full_name: Option<&str>) {
    let Some(full_name) = full_name else {
        return;
    };
    checks.length("full_name", full_name, 0..=255);
    if full_name.chars().any(char::is_control) {
        checks.refuse("full_name", "must not have control characters");
    }
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

/// Says which of the two is taken.
pub(crate) fn explain(error: DbError, username: &str, email: &str) -> ApiError {
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
