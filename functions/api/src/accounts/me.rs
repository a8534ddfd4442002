//! Showing and changing the caller's own account.

use access::Caller;
use axum::Json;
use axum::extract::State as Shared;
use chrono::Utc;
use db::accounts::User;
use lambda::http::{ApiError, ApiJson, ClientInfo, ETag, FieldErrors, IfMatch};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::passwords;
use super::users::{UserResponse, check_email, check_full_name};
use crate::State;
use crate::audit::{self, Change};
use crate::locks::lock_user;
use crate::nullable::nullable;

/// Changes of the caller's account. Absent fields stay unchanged.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({ "full_name": "Ada Lovelace" }))]
pub(crate) struct UpdateProfileRequest {
    /// Display name, at most 255 characters; `null` removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, max_length = 255)]
    full_name: Option<Option<String>>,
    /// Email address, at most 254 characters. Changing it requires `current_password`.
    #[schema(max_length = 254)]
    email: Option<String>,
    /// The account's current password. Required to change the email address.
    #[schema(format = "password")]
    current_password: Option<String>,
}

/// Show the caller's account
///
/// With an API key: the account that the key belongs to. The `ETag` covers the fields that `PATCH` changes.
#[utoipa::path(
    get, path = "/api/auth/me", operation_id = "getAccount", tag = "auth",
    responses((status = 200, body = UserResponse, headers(("ETag" = String, description = "Version of the account, for `If-Match`.")))),
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
/// Requires a user session. Change the password at `POST /api/auth/password`.
#[utoipa::path(
    patch, path = "/api/auth/me", operation_id = "updateAccount", tag = "auth", request_body = UpdateProfileRequest,
    responses((status = 200, body = UserResponse, headers(("ETag" = String, description = "Version of the account, for `If-Match`.")))),
)]
pub(crate) async fn update_me(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    if_match: IfMatch,
    ApiJson(request): ApiJson<UpdateProfileRequest>,
) -> Result<(ETag, Json<UserResponse>), ApiError> {
    let email = request.email.as_deref().map(str::trim);
    let mut errors = FieldErrors::default();
    if let Some(email) = email {
        check_email(&mut errors, email);
    }
    check_full_name(&mut errors, request.full_name.as_ref().and_then(Option::as_deref));
    errors.finish()?;
    let confirmed = match request.current_password {
        Some(password) => Some(passwords::confirm(&state, &caller, &client, password, Utc::now()).await?),
        None => None,
    };

    let mut tx = state.db.begin().await?;
    let before = match &confirmed {
        Some(confirmed) => confirmed.lock(&mut tx).await?,
        None => lock_user(&mut tx, caller.principal.user_id).await?,
    };
    if_match.check(&ETag::of(&Profile::of(&before))?)?;
    let email = email.unwrap_or(&before.email);
    if email != before.email && confirmed.is_none() {
        return Err(ApiError::invalid_field(
            "current_password",
            "is missing; required to change the email address",
        ));
    }
    let full_name = request.full_name.unwrap_or_else(|| before.full_name.clone());
    let after = tx.users().update_profile(before.id, full_name.as_deref(), email).await?;
    let after = after.ok_or_else(|| ApiError::not_found("user", before.id))?;
    let details = json!({ "before": Profile::of(&before), "after": Profile::of(&after) });
    let change = Change::of_accounts("profile_changed", caller.actor(), details);
    audit::record(&mut tx, &client, change).await?;
    tx.commit().await?;
    Ok((ETag::of(&Profile::of(&after))?, Json(after.into())))
}

/// The fields that a user can change: hashed into the `ETag`, and recorded in the audit log.
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
