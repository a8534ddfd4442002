//! Passwords: their rules, changing one's own, and proving that it is still the same person.

use access::Caller;
use auth::PasswordError;
use axum::Json;
use axum::extract::State as Shared;
use chrono::{DateTime, Utc};
use db::Tx;
use db::accounts::User;
use domain::{Classify, ErrorKind};
use lambda::http::{ApiError, ApiJson, ClientInfo, Problem};
use serde::{Deserialize, Serialize};
use serde_json::json;
use thiserror::Error;
use utoipa::ToSchema;

use super::login_throttle::{self, Attempt};
use crate::State;
use crate::audit::{self, Change};
use crate::locks::lock_user;
use crate::openapi::BodyErrors;
use crate::validation::Checks;

/// The longest password, in characters: hashing a longer one would only cost time.
pub(crate) const MAX_PASSWORD_CHARS: usize = 1024;

/// A new password for the caller's account.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ChangePasswordRequest {
    /// The one to replace.
    #[schema(format = "password", example = "correct horse battery")]
    current_password: String,
    /// 8 to 1024 characters.
    #[schema(min_length = 8, max_length = 1024, format = "password", example = "another horse battery")]
    new_password: String,
}

/// That sessions were ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionsEndedResponse {
    pub message: &'static str,
    /// How many sessions were alive and now are not.
    pub sessions_ended: usize,
}

/// Change the caller's password
///
/// Ends every other session. API keys go on working: revoke those that somebody else may know.
#[utoipa::path(
    post, path = "/api/auth/password", tag = "auth", request_body = ChangePasswordRequest,
    responses(
        (status = 200, body = SessionsEndedResponse),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The password was changed meanwhile."),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "Too many failures; `Retry-After` says how long to wait."),
        BodyErrors,
    ),
)]
pub(crate) async fn change(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiJson(request): ApiJson<ChangePasswordRequest>,
) -> Result<Json<SessionsEndedResponse>, ApiError> {
    let now = Utc::now();
    let mut checks = Checks::default();
    check(&mut checks, "new_password", &request.new_password);
    if request.new_password == request.current_password {
        checks.refuse("new_password", "must differ from the current one");
    }
    checks.finish()?;
    let confirmed = confirm(&state, &caller, &client, request.current_password, now).await?;
    let hashed_password = hash(request.new_password).await?;

    let mut tx = state.db.begin().await?;
    let user = confirmed.lock(&mut tx).await?;
    tx.users().set_password(user.id, &hashed_password).await?;
    let sessions_ended = tx.refresh_tokens().revoke_sessions(user.id, caller.session_id, now).await?;
    let details = json!({ "sessions_ended": sessions_ended });
    let change = Change::of_accounts("password_changed", caller.actor(), details);
    audit::record(&mut tx, &client, change).await?;
    tx.commit().await?;
    Ok(Json(SessionsEndedResponse { message: "password changed", sessions_ended }))
}

/// Refuses a password that no account may have.
pub(crate) fn check(checks: &mut Checks, field: &str, password: &str) {
    checks.length(field, password, 8..=MAX_PASSWORD_CHARS);
}

/// The hash to store.
pub(crate) async fn hash(password: String) -> Result<String, PasswordWorkError> {
    off_thread(move || auth::hash_password(&password)).await
}

/// Whether it is the password of this account; the same work without one.
pub(crate) async fn verify(password: String, user: Option<&User>) -> Result<bool, PasswordWorkError> {
    let stored = user.map(|user| user.hashed_password.clone());
    off_thread(move || auth::verify_password(&password, stored.as_deref())).await
}

/// That the caller knows the password of the account.
#[derive(Debug)]
pub(crate) struct Confirmed {
    user: User,
    attempt: Attempt,
}

/// Asks for the caller's own password again, as slowly as a log-in does for who guesses.
///
/// # Errors
/// 422 for a wrong one, 429 with `Retry-After` after too many.
pub(crate) async fn confirm(
    state: &State,
    caller: &Caller,
    client: &ClientInfo,
    password: String,
    now: DateTime<Utc>,
) -> Result<Confirmed, ApiError> {
    let id = caller.principal.user_id;
    let attempt = login_throttle::admit(&state.db, &caller.principal.username, client, now).await?;
    let user = state.db.connection().await?.users().find(id).await?;
    // No account has a longer one.
    let is_possible = password.chars().count() <= MAX_PASSWORD_CHARS;
    let is_right = is_possible && verify(password, user.as_ref()).await?;
    let Some(user) = user.filter(|_| is_right) else {
        return Err(ApiError::invalid_field("current_password", "is not the password of this account"));
    };
    Ok(Confirmed { user, attempt })
}

impl Confirmed {
    /// The account, which nobody else changes until the transaction ends; what counted as a failed
    /// attempt does no more.
    ///
    /// # Errors
    /// 409 when the password was changed since it was asked for.
    pub(crate) async fn lock(&self, tx: &mut Tx) -> Result<User, ApiError> {
        let user = lock_user(tx, self.user.id).await?;
        if user.hashed_password != self.user.hashed_password {
            return Err(ApiError::new(
                ErrorKind::Conflict,
                "the password of this account has just been changed by another request",
            ));
        }
        self.attempt.forgive(tx).await?;
        Ok(user)
    }
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
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
) -> Result<T, PasswordWorkError> {
    Ok(tokio::task::spawn_blocking(work).await??)
}
