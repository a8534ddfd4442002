//! Passwords: bounds, hashing, verification, and changing the caller's own password.

use access::Caller;
use auth::{MAX_PASSWORD_CHARS, PasswordError};
use axum::Json;
use axum::extract::State as Shared;
use chrono::{DateTime, Utc};
use db::Tx;
use db::accounts::User;
use domain::{Classify, ErrorKind};
use lambda::http::{ApiError, ApiJson, ClientInfo, FieldErrors};
use serde::{Deserialize, Serialize};
use serde_json::json;
use thiserror::Error;
use utoipa::ToSchema;

use super::login_throttle::{self, Attempt};
use crate::State;
use crate::audit::{self, Change};
use crate::locks::lock_user;

/// A request to change the caller's password.
#[derive(Deserialize, ToSchema)]
pub(crate) struct ChangePasswordRequest {
    /// The current password of the account.
    #[schema(format = "password", example = "correct horse battery")]
    current_password: String,
    /// The new password, 8 to 1024 characters; must differ from the current one, and be neither a common password nor the
    /// user's own name.
    #[schema(min_length = 8, max_length = 1024, format = "password", example = "another horse battery")]
    new_password: String,
}

/// The result of a change that ends sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionsEndedResponse {
    /// A confirmation in English.
    pub message: &'static str,
    /// How many active sessions were ended.
    pub sessions_ended: usize,
}

/// Change the caller's password
///
/// Requires a user session and the current password. Ends all other sessions of the account. API keys
/// keep working; revoke those that may have leaked. Wrong passwords count as failed sign-in attempts.
#[utoipa::path(
    post, path = "/api/auth/password", operation_id = "changePassword", tag = "auth", request_body = ChangePasswordRequest,
    responses((status = 200, body = SessionsEndedResponse)),
)]
pub(crate) async fn change(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiJson(request): ApiJson<ChangePasswordRequest>,
) -> Result<Json<SessionsEndedResponse>, ApiError> {
    let now = Utc::now();
    let mut errors = FieldErrors::default();
    check(&mut errors, "new_password", &request.new_password, &[&caller.principal.username]);
    if request.new_password == request.current_password {
        errors.add("new_password", "must differ from the current password");
    }
    errors.finish()?;
    let confirmed = confirm(&state, &caller, &client, request.current_password, now).await?;
    refuse_names("new_password", &request.new_password, &confirmed.user)?;
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

/// Checks the length of a new password, and that it is not guessed first. `names` are the user's names and email address.
pub(crate) fn check(errors: &mut FieldErrors, field: &str, password: &str, names: &[&str]) {
    if let Some(problem) = auth::password_problem(password, names) {
        errors.add(field, problem);
    }
}

/// Checks that a new password is none of the account's names.
///
/// # Errors
/// Returns `Invalid` for `field` if it is.
pub(crate) fn refuse_names(field: &str, password: &str, user: &User) -> Result<(), ApiError> {
    let names = [user.username.as_str(), &user.email, user.full_name.as_deref().unwrap_or_default()];
    match auth::find_weakness(password, &names) {
        Some(weakness) => Err(ApiError::invalid_field(field, weakness.to_string())),
        None => Ok(()),
    }
}

/// Returns the argon2id hash to store.
pub(crate) async fn hash(password: String) -> Result<String, PasswordWorkError> {
    off_thread(move || auth::hash_password(&password)).await
}

/// Returns whether the password belongs to the account. Without an account it hashes all the same, so that
/// the response time does not reveal whether the account exists.
pub(crate) async fn verify(password: String, user: Option<&User>) -> Result<bool, PasswordWorkError> {
    let stored = user.map(|user| user.hashed_password.clone());
    off_thread(move || auth::verify_password(&password, stored.as_deref())).await
}

/// Proof that the caller knows the password of the account.
#[derive(Debug)]
pub(crate) struct ConfirmedPassword {
    user: User,
    attempt: Attempt,
}

/// Verifies the caller's own password again, under the login throttle.
///
/// # Errors
/// Returns `Invalid` for `current_password` if it is wrong, and `Throttled` with `Retry-After` after too
/// many failed attempts.
pub(crate) async fn confirm(
    state: &State,
    caller: &Caller,
    client: &ClientInfo,
    password: String,
    now: DateTime<Utc>,
) -> Result<ConfirmedPassword, ApiError> {
    let id = caller.principal.user_id;
    let attempt = login_throttle::admit(&state.db, &caller.principal.username, client, now).await?;
    let user = state.db.connection().await?.users().find(id).await?;
    // Longer passwords are never accepted, so hashing them would waste CPU time.
    let is_possible = password.chars().count() <= MAX_PASSWORD_CHARS;
    let is_right = is_possible && verify(password, user.as_ref()).await?;
    let Some(user) = user.filter(|_| is_right) else {
        return Err(ApiError::invalid_field(
            "current_password",
            "is wrong; send the current password of your account",
        ));
    };
    Ok(ConfirmedPassword { user, attempt })
}

impl ConfirmedPassword {
    /// Locks the account's row, returns the account, and removes the failed attempt that was counted in
    /// advance.
    ///
    /// # Errors
    /// Returns `Conflict` if the password was changed since it was verified.
    pub(crate) async fn lock(&self, tx: &mut Tx) -> Result<User, ApiError> {
        let user = lock_user(tx, self.user.id).await?;
        if user.hashed_password != self.user.hashed_password {
            return Err(ApiError::new(
                ErrorKind::Conflict,
                "another request changed the password of this account at the same time; sign in again and retry",
            ));
        }
        self.attempt.succeeded(tx).await?;
        Ok(user)
    }
}

/// A failure to hash or to verify a password.
#[derive(Debug, Error)]
pub(crate) enum PasswordWorkError {
    /// The hash function failed, or the stored hash is malformed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The blocking task panicked or was cancelled.
    #[error("the hashing task did not finish")]
    Thread(#[from] tokio::task::JoinError),
}

impl Classify for PasswordWorkError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }
}

/// Runs the hash function, which takes tens of milliseconds, outside the async worker threads.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
) -> Result<T, PasswordWorkError> {
    Ok(tokio::task::spawn_blocking(work).await??)
}
