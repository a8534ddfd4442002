//! What an account looks like in answers, and what its fields may hold.

use chrono::{DateTime, Utc};
use db::DbError;
use db::accounts::{User, Users};
use domain::{ErrorKind, UserId};
use lambda::http::ApiError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::validation::Checks;

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
