//! Registering accounts.

use axum::Json;
use axum::extract::State as Shared;
use db::accounts::NewUser;
use domain::{Actor, ErrorKind};
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ClientInfo, FieldErrors};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::passwords;
use super::users::{UserResponse, check_email, check_full_name, check_username, map_unique_violation};
use crate::State;
use crate::audit::{self, Change};

/// An account to register.
#[derive(Deserialize, ToSchema)]
pub(crate) struct RegisterRequest {
    /// 3 to 64 ASCII letters, digits and underscores. Unique regardless of case.
    #[schema(min_length = 3, max_length = 64, pattern = "^[A-Za-z0-9_]+$", example = "ada")]
    username: String,
    /// Email address, at most 254 characters. Not verified, and several accounts may have the same one.
    #[schema(max_length = 254, format = "email", example = "ada@example.org")]
    email: String,
    /// Password, 8 to 1024 characters: neither a common password nor the user's own name.
    #[schema(min_length = 8, max_length = 1024, format = "password", example = "correct horse battery")]
    password: String,
    /// Display name, at most 255 characters; default none.
    #[schema(max_length = 255)]
    full_name: Option<String>,
}

/// Register an account
///
/// Needs no credentials. Registration is closed unless the deployment or a superuser opens it; superusers create
/// accounts at any time. The response does not depend on whether another account has the email address.
#[utoipa::path(
    post, path = "/api/auth/register", operation_id = "register", tag = "auth", request_body = RegisterRequest,
    responses((status = 201, body = UserResponse)),
)]
pub(crate) async fn register(
    Shared(state): Shared<State>,
    client: ClientInfo,
    ApiJson(request): ApiJson<RegisterRequest>,
) -> Result<(StatusCode, Json<UserResponse>), ApiError> {
    check(&request)?;
    let settings = state.db.connection().await?.system_settings().find().await?;
    if !state.is_registration_open(&settings) {
        return Err(ApiError::new(
            ErrorKind::Forbidden,
            "registration is closed on this installation; ask a superuser to create an account for you",
        ));
    }
    let hashed_password = passwords::hash(request.password).await?;

    let mut tx = state.db.begin().await?;
    let new = NewUser {
        username: &request.username,
        email: request.email.trim(),
        full_name: request.full_name.as_deref(),
        hashed_password: &hashed_password,
        is_superuser: false,
    };
    let user = tx.users().insert(&new).await.map_err(|error| map_unique_violation(error, new.username))?;
    let details = json!({ "username": user.username, "is_superuser": user.is_superuser });
    let change = Change::of_accounts("user_registered", Actor::user(user.id), details);
    audit::record(&mut tx, &client, change).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

fn check(request: &RegisterRequest) -> Result<(), ApiError> {
    let mut errors = FieldErrors::default();
    check_username(&mut errors, &request.username);
    check_email(&mut errors, &request.email);
    let names = [request.username.as_str(), &request.email, request.full_name.as_deref().unwrap_or_default()];
    passwords::check(&mut errors, "password", &request.password, &names);
    check_full_name(&mut errors, request.full_name.as_deref());
    errors.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_invalid_fields_are_reported_at_once() {
        let request = RegisterRequest {
            username: "a!".to_owned(),
            email: "ada@localhost".to_owned(),
            password: "short".to_owned(),
            full_name: None,
        };
        insta::assert_snapshot!(check(&request).unwrap_err().detail(), @r#"username: wrong length; 3 to 64 characters allowed, got 2; username: wrong characters; ASCII letters, digits and underscores allowed, got "a!"; email: wrong format; an email address like ada@example.org allowed, got "ada@localhost"; password: wrong length; 8 to 1024 characters allowed, got 5"#);
    }
}
