//! The response type of accounts, and the validation of their fields.

use chrono::{DateTime, Utc};
use db::DbError;
use db::accounts::{User, Users};
use domain::{ErrorKind, UserId};
use lambda::http::{ApiError, FieldErrors};
use serde::Serialize;
use utoipa::ToSchema;

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserResponse {
    /// Identifies the account.
    #[schema(value_type = i64)]
    id: UserId,
    /// 3 to 64 ASCII letters, digits and underscores. Unique regardless of case.
    username: String,
    /// Email address, not verified.
    email: String,
    /// Display name, if set.
    full_name: Option<String>,
    /// Whether the user can sign in. `false` after a superuser deactivated the account.
    is_active: bool,
    /// Whether the user administers this installation.
    is_superuser: bool,
    /// When the account was created.
    created_at: DateTime<Utc>,
    /// When the account was last changed.
    updated_at: DateTime<Utc>,
    /// When the user last signed in with the password; `null` before the first time.
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

/// Checks the length and the characters of a username.
pub(crate) fn check_username(errors: &mut FieldErrors, username: &str) {
    for problem in auth::username_problems(username) {
        errors.add("username", problem);
    }
}

/// Checks the form of an email address.
pub(crate) fn check_email(errors: &mut FieldErrors, email: &str) {
    if let Some(problem) = auth::email_problem(email) {
        errors.add("email", problem);
    }
}

/// Checks the length and the characters of a display name.
pub(crate) fn check_full_name(errors: &mut FieldErrors, full_name: Option<&str>) {
    let Some(full_name) = full_name else {
        return;
    };
    errors.length("full_name", full_name, 0..=255);
    if full_name.chars().any(char::is_control) {
        errors.add("full_name", "contains control characters; all other characters are allowed");
    }
}

/// Maps a violated unique constraint to a `Conflict` that names the field.
pub(crate) fn map_unique_violation(error: DbError, username: &str) -> ApiError {
    match error.constraint() {
        Some(Users::USERNAME_CONSTRAINT) => ApiError::new(
            ErrorKind::Conflict,
            format!("the username {username:?} is taken; choose another one"),
        ),
        _ => error.into(),
    }
}
