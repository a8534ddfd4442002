//! The response type of accounts, and the validation of their fields.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use db::DbError;
use db::accounts::{User, Users};
use domain::{ErrorKind, UserId};
use lambda::http::{ApiError, FieldErrors};
use serde::Serialize;
use utoipa::ToSchema;

/// The length of a username.
const USERNAME_CHARS: RangeInclusive<usize> = 3..=64;

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
    errors.length("username", username, USERNAME_CHARS);
    if !is_plain(username) {
        errors.add(
            "username",
            format!("wrong characters; ASCII letters, digits and underscores allowed, got {username:?}"),
        );
    }
}

/// Returns whether an account can have this username.
pub(crate) fn is_username(text: &str) -> bool {
    is_plain(text) && text.len() <= *USERNAME_CHARS.end()
}

fn is_plain(username: &str) -> bool {
    username.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Checks the form of an email address.
pub(crate) fn check_email(errors: &mut FieldErrors, email: &str) {
    if !is_email(email.trim()) {
        errors.add(
            "email",
            format!("wrong format; an email address like ada@example.org allowed, got {email:?}"),
        );
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

/// Returns whether the text has the form of an email address. Deliberately lenient: only a delivered message
/// proves that an address exists.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_addresses_are_recognised() {
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
