//! Administration of accounts by superusers: list, create, change, set passwords.

use access::{Begun, Caller, Idempotency};
use axum::Json;
use axum::extract::State as Shared;
use axum::response::Response;
use chrono::Utc;
use db::Tx;
use db::accounts::{LockedUsers, NewUser, User, UserQuery};
use domain::{ErrorKind, UserId};
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ApiPath, ClientInfo, ETag, FieldErrors, IfMatch, ListQuery, Page};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::State;
use crate::accounts::passwords::{self, SessionsEndedResponse};
use crate::accounts::users::{self, UserResponse};
use crate::audit::{self, Change};
use crate::nullable::nullable;

/// An account to create.
#[derive(Deserialize, ToSchema)]
pub(crate) struct CreateUserRequest {
    /// 3 to 64 ASCII letters, digits and underscores. Unique regardless of case.
    #[schema(min_length = 3, max_length = 64, pattern = "^[A-Za-z0-9_]+$", example = "ada")]
    username: String,
    /// Email address, at most 254 characters. Unique regardless of case.
    #[schema(max_length = 254, example = "ada@example.org")]
    email: String,
    /// Initial password, 8 to 1024 characters.
    #[schema(min_length = 8, max_length = 1024, format = "password", example = "correct horse battery")]
    password: String,
    /// Display name, at most 255 characters; default none.
    #[schema(max_length = 255)]
    full_name: Option<String>,
    /// Whether the user administers this installation.
    #[schema(default = false)]
    is_superuser: Option<bool>,
}

/// Changes of an account. Absent fields stay unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({ "is_active": false }))]
pub(crate) struct UpdateUserRequest {
    /// `false` deactivates the account: its tokens and API keys are rejected from the next request on.
    is_active: Option<bool>,
    /// Whether the user administers this installation.
    is_superuser: Option<bool>,
    /// Display name, at most 255 characters; `null` removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, max_length = 255)]
    full_name: Option<Option<String>>,
}

/// A new password for an account.
#[derive(Deserialize, ToSchema)]
pub(crate) struct SetPasswordRequest {
    /// The new password, 8 to 1024 characters.
    #[schema(min_length = 8, max_length = 1024, format = "password", example = "another horse battery")]
    new_password: String,
}

/// Filter and page of the list of accounts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListUsersQuery {
    /// Only accounts whose username, display name or email address contains this text, ignoring case.
    #[param(max_length = 255)]
    search: Option<String>,
    /// `true`: only active accounts; `false`: only deactivated ones; default both.
    is_active: Option<bool>,
}

/// A page of accounts, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsersResponse {
    /// The accounts of this page.
    users: Vec<UserResponse>,
    /// Number of matching accounts on all pages.
    total: i64,
    /// Page number, starting at 1.
    page: i64,
    /// Accounts per page.
    per_page: i64,
}

/// The fields that a superuser can change: hashed into the `ETag`, and recorded in the audit log.
#[derive(Debug, Serialize)]
struct Editable<'a> {
    is_active: bool,
    is_superuser: bool,
    full_name: Option<&'a str>,
}

impl<'a> Editable<'a> {
    fn of(user: &'a User) -> Self {
        Self {
            is_active: user.is_active,
            is_superuser: user.is_superuser,
            full_name: user.full_name.as_deref(),
        }
    }
}

/// List accounts
///
/// Requires a superuser.
#[utoipa::path(
    get, path = "/api/v2/admin/users", operation_id = "listUsers", tag = "administration", params(ListUsersQuery, Page),
    responses((status = 200, body = UsersResponse)),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    ListQuery { page: paging, filters: query, mut errors }: ListQuery<Page, ListUsersQuery>,
) -> Result<Json<UsersResponse>, ApiError> {
    let search = query.search.as_deref().map(str::trim).filter(|search| !search.is_empty());
    if let Some(search) = search {
        errors.length("search", search, 1..=255);
        errors.no_nul("search", search);
    }
    errors.finish()?;
    let query =
        UserQuery { search, is_active: query.is_active, limit: paging.per_page, offset: paging.offset() };
    let page = state.db.connection().await?.users().list(&query).await?;
    Ok(Json(UsersResponse {
        users: page.items.into_iter().map(UserResponse::from).collect(),
        total: page.total,
        page: paging.page,
        per_page: paging.per_page,
    }))
}

/// Create an account
///
/// Requires a superuser. Works while registration is closed. Pass the password on to the user and have them
/// change it.
#[utoipa::path(
    post, path = "/api/v2/admin/users", operation_id = "createUser", tag = "administration", request_body = CreateUserRequest,
    responses((status = 201, body = UserResponse)),
)]
pub(crate) async fn create(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    idempotency: Idempotency,
    ApiJson(request): ApiJson<CreateUserRequest>,
) -> Result<Response, ApiError> {
    let mut errors = FieldErrors::default();
    users::check_username(&mut errors, &request.username);
    users::check_email(&mut errors, &request.email);
    let names = [request.username.as_str(), &request.email, request.full_name.as_deref().unwrap_or_default()];
    passwords::check(&mut errors, "password", &request.password, &names);
    users::check_full_name(&mut errors, request.full_name.as_deref());
    errors.finish()?;
    let hashed_password = passwords::hash(request.password).await?;

    let mut tx = match idempotency.begin(&state.db, caller.principal.user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    let new = NewUser {
        username: &request.username,
        email: request.email.trim(),
        full_name: request.full_name.as_deref(),
        hashed_password: &hashed_password,
        is_superuser: request.is_superuser.unwrap_or(false),
    };
    let user =
        tx.users().insert(&new).await.map_err(|error| users::map_unique_violation(error, new.username))?;
    let details = json!({ "user_id": user.id, "username": user.username, "after": Editable::of(&user) });
    audit::record(&mut tx, &client, Change::of_accounts("user_created", caller.actor(), details)).await?;
    tx.commit(StatusCode::CREATED, &UserResponse::from(user)).await
}

/// Show an account
///
/// Requires a superuser.
#[utoipa::path(
    get, path = "/api/v2/admin/users/{user_id}", operation_id = "getUser", tag = "administration", params(("user_id" = i64, Path)),
    responses((status = 200, body = UserResponse, headers(("ETag" = String, description = "Version of the account, for `If-Match`.")))),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    ApiPath(id): ApiPath<UserId>,
) -> Result<(ETag, Json<UserResponse>), ApiError> {
    let user = state.db.connection().await?.users().find(id).await?;
    let user = user.ok_or_else(|| ApiError::not_found("user", id))?;
    Ok((ETag::of(&Editable::of(&user))?, Json(user.into())))
}

/// Change, deactivate or promote an account
///
/// Requires a superuser. Deactivation ends the account's sessions and disables its API keys from the next
/// request on. The last active superuser can be neither deactivated nor demoted.
#[utoipa::path(
    patch, path = "/api/v2/admin/users/{user_id}", operation_id = "updateUser", tag = "administration",
    params(("user_id" = i64, Path)),
    request_body = UpdateUserRequest,
    responses((status = 200, body = UserResponse, headers(("ETag" = String, description = "Version of the account, for `If-Match`.")))),
)]
pub(crate) async fn update(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    if_match: IfMatch,
    ApiPath(id): ApiPath<UserId>,
    ApiJson(request): ApiJson<UpdateUserRequest>,
) -> Result<(ETag, Json<UserResponse>), ApiError> {
    let mut errors = FieldErrors::default();
    users::check_full_name(&mut errors, request.full_name.as_ref().and_then(Option::as_deref));
    errors.finish()?;

    let mut tx = state.db.begin().await?;
    let (before, locked) = lock(&mut tx, &caller, id).await?;
    if_match.check(&ETag::of(&Editable::of(&before))?)?;
    let full_name = request.full_name.unwrap_or_else(|| before.full_name.clone());
    let is_active = request.is_active.unwrap_or(before.is_active);
    let is_superuser = request.is_superuser.unwrap_or(before.is_superuser);
    if locked.is_last_superuser(id) && !(is_active && is_superuser) {
        return Err(ApiError::new(
            ErrorKind::Conflict,
            format!(
                "{} is the last active superuser of this installation; promote another account first",
                before.username
            ),
        ));
    }
    let after = tx.users().administer(id, full_name.as_deref(), is_active, is_superuser).await?;
    let after = after.ok_or_else(|| ApiError::not_found("user", id))?;
    let mut sessions_ended = 0;
    if before.is_active && !after.is_active {
        sessions_ended = tx.refresh_tokens().revoke_sessions(id, None, Utc::now()).await?;
    }
    let details = json!({
        "user_id": id,
        "username": after.username,
        "before": Editable::of(&before),
        "after": Editable::of(&after),
        "sessions_ended": sessions_ended,
    });
    audit::record(&mut tx, &client, Change::of_accounts("user_changed", caller.actor(), details)).await?;
    tx.commit().await?;
    Ok((ETag::of(&Editable::of(&after))?, Json(after.into())))
}

/// Set the password of an account
///
/// Requires a superuser. Ends all sessions of the account. Pass the password on to the user and have them
/// change it.
#[utoipa::path(
    put, path = "/api/v2/admin/users/{user_id}/password", operation_id = "setUserPassword", tag = "administration",
    params(("user_id" = i64, Path)), request_body = SetPasswordRequest,
    responses((status = 200, body = SessionsEndedResponse)),
)]
pub(crate) async fn set_password(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiPath(id): ApiPath<UserId>,
    ApiJson(request): ApiJson<SetPasswordRequest>,
) -> Result<Json<SessionsEndedResponse>, ApiError> {
    let mut errors = FieldErrors::default();
    passwords::check(&mut errors, "new_password", &request.new_password, &[]);
    errors.finish()?;
    if id == caller.principal.user_id {
        return Err(ApiError::new(
            ErrorKind::Conflict,
            "this is your own account; change its password at POST /api/auth/password",
        ));
    }
    if let Some(user) = state.db.connection().await?.users().find(id).await? {
        passwords::refuse_names("new_password", &request.new_password, &user)?;
    }
    let hashed_password = passwords::hash(request.new_password).await?;

    let mut tx = state.db.begin().await?;
    let (user, _) = lock(&mut tx, &caller, id).await?;
    tx.users().set_password(id, &hashed_password).await?;
    let sessions_ended = tx.refresh_tokens().revoke_sessions(id, None, Utc::now()).await?;
    let details = json!({ "user_id": id, "username": user.username, "sessions_ended": sessions_ended });
    audit::record(&mut tx, &client, Change::of_accounts("password_set", caller.actor(), details)).await?;
    tx.commit().await?;
    Ok(Json(SessionsEndedResponse { message: "password set", sessions_ended }))
}

/// Locks the rows of the account and of all superusers, and returns them.
///
/// # Errors
/// Returns `Forbidden` if the caller was demoted since the request was authorized, and `NotFound` if the
/// account does not exist.
async fn lock(tx: &mut Tx, caller: &Caller, id: UserId) -> Result<(User, LockedUsers), ApiError> {
    let mut locked = tx.users().lock_with_superusers(id).await?;
    if !locked.is_active_superuser(caller.principal.user_id) {
        return Err(ApiError::new(
            ErrorKind::Forbidden,
            "you are no longer a superuser of this installation; ask another superuser",
        ));
    }
    let user = locked.user.take().ok_or_else(|| ApiError::not_found("user", id))?;
    Ok((user, locked))
}
