//! API keys, with which programs act on behalf of a user: `/api/v2/api-keys`.

mod fields;

use access::{Access, Begun, Caller, Idempotency, Rate, Route};
use auth::OpaqueToken;
use axum::Json;
use axum::extract::State as Shared;
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use db::accounts::{ApiKey, ApiKeys, NewApiKey};
use db::{DbError, Tx};
use domain::{ApiKeyId, ErrorKind, UserId};
use http::StatusCode;
use lambda::http::{
    ApiError, ApiJson, ApiOptionalJson, ApiPath, ClientInfo, ETag, FieldErrors, IfMatch, Page,
};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use self::fields::{
    ApiKeyResponse, ApiKeySecretResponse, ApiKeysResponse, CreateApiKeyRequest, DEFAULT_DAYS, DEFAULT_SCOPE,
    Editable, RotateApiKeyRequest, UpdateApiKeyRequest,
};
use crate::State;
use crate::audit::{self, Change};
use crate::locks::lock_user;

/// The maximum number of active keys per user.
const MAX_ACTIVE: i64 = 20;

/// Returns the routes of API keys. All require a user session, so that a leaked key cannot create, extend or
/// list keys.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(
            Route::requires(Access::UserSession)
                .limit(Rate::per_hour(30))
                .idempotent()
                .problem(
                    StatusCode::BAD_REQUEST,
                    "The caller has 20 active keys, or the request body is not valid JSON.",
                )
                .conflict("The caller has a key of this name.")
                .handles(routes!(create)),
        )
        .routes(Route::requires(Access::UserSession).handles(routes!(list)))
        .routes(Route::requires(Access::UserSession).handles(routes!(show)))
        .routes(
            Route::requires(Access::UserSession)
                .versioned()
                .problem(
                    StatusCode::BAD_REQUEST,
                    "The caller has 20 other active keys, or the request body is not valid JSON.",
                )
                .conflict("The caller has another key of this name.")
                .handles(routes!(update)),
        )
        .routes(Route::requires(Access::UserSession).handles(routes!(delete)))
        .routes(
            Route::requires(Access::UserSession)
                .limit(Rate::per_hour(30))
                .idempotent()
                .problem(
                    StatusCode::BAD_REQUEST,
                    "The caller has 20 other active keys, or the request body is not valid JSON.",
                )
                .conflict("The key has expired and the request has no `expires_in_days`.")
                .handles(routes!(rotate)),
        )
}

/// Create an API key
///
/// Requires a user session. The response contains the secret, which cannot be shown again. A user can have
/// up to 20 active keys.
#[utoipa::path(
    post, path = "/api/v2/api-keys", operation_id = "createApiKey", tag = "api-keys", request_body = CreateApiKeyRequest,
    responses((status = 201, body = ApiKeySecretResponse)),
)]
pub(crate) async fn create(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    idempotency: Idempotency,
    ApiJson(request): ApiJson<CreateApiKeyRequest>,
) -> Result<Response, ApiError> {
    let now = Utc::now();
    let user_id = caller.principal.user_id;
    let mut tx = match idempotency.begin(&state.db, user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    let mut errors = FieldErrors::default();
    let name = fields::check_name(&mut errors, &request.name);
    let scope = fields::parse_scope(&mut errors, request.scope.as_deref().unwrap_or(DEFAULT_SCOPE));
    let days = fields::check_days(&mut errors, request.expires_in_days.unwrap_or(DEFAULT_DAYS));
    let collection_ids = match request.collection_ids {
        Some(ids) => Some(fields::check_collections(&mut errors, &mut tx, &caller, ids).await?),
        None => None,
    };
    errors.finish()?;

    lock_user(&mut tx, user_id).await?;
    check_active_count(&mut tx, user_id, now).await?;
    let id = ApiKeyId(Uuid::new_v4());
    let secret = OpaqueToken::api_key(id);
    let new = NewApiKey {
        id,
        user_id,
        name: &name,
        key_hash: &secret.hash(),
        scope,
        collection_ids: collection_ids.as_deref(),
        expires_at: now + TimeDelta::days(days),
    };
    let key = tx.api_keys().insert(&new).await.map_err(|error| map_unique_violation(error, &name))?;
    let details = json!({ "api_key_id": id, "after": Editable::of(&key), "expires_at": key.expires_at });
    audit::record(&mut tx, &client, Change::of_accounts("api_key_created", caller.actor(), details)).await?;
    let body = ApiKeySecretResponse { key: key.into(), api_key: secret.expose().to_owned() };
    tx.commit_unrepeatable(StatusCode::CREATED, &body, &secret_not_repeated(id)).await
}

/// List the caller's API keys
///
/// Requires a user session. Secrets are not included.
#[utoipa::path(
    get, path = "/api/v2/api-keys", operation_id = "listApiKeys", tag = "api-keys", params(Page),
    responses((status = 200, body = ApiKeysResponse)),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    caller: Caller,
    paging: Page,
) -> Result<Json<ApiKeysResponse>, ApiError> {
    let mut connection = state.db.connection().await?;
    let page = connection.api_keys().list(caller.principal.user_id, paging.per_page, paging.offset()).await?;
    Ok(Json(ApiKeysResponse {
        api_keys: page.items.into_iter().map(ApiKeyResponse::from).collect(),
        total: page.total,
        page: paging.page,
        per_page: paging.per_page,
    }))
}

/// Show an API key of the caller
///
/// Requires a user session. The secret is not included.
#[utoipa::path(
    get, path = "/api/v2/api-keys/{key_id}", operation_id = "getApiKey", tag = "api-keys", params(("key_id" = Uuid, Path)),
    responses((status = 200, body = ApiKeyResponse, headers(("ETag" = String, description = "Version of the key, for `If-Match`.")))),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    caller: Caller,
    ApiPath(id): ApiPath<ApiKeyId>,
) -> Result<(ETag, Json<ApiKeyResponse>), ApiError> {
    let key = state.db.connection().await?.api_keys().find(caller.principal.user_id, id).await?;
    let key = key.ok_or_else(|| ApiError::not_found("API key", id))?;
    Ok((fields::etag(&key)?, Json(key.into())))
}

/// Change, revoke or reactivate an API key
///
/// Requires a user session. Takes effect with the next request of the key.
#[utoipa::path(
    patch, path = "/api/v2/api-keys/{key_id}", operation_id = "updateApiKey", tag = "api-keys",
    params(("key_id" = Uuid, Path)),
    request_body = UpdateApiKeyRequest,
    responses((status = 200, body = ApiKeyResponse, headers(("ETag" = String, description = "Version of the key, for `If-Match`.")))),
)]
pub(crate) async fn update(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    if_match: IfMatch,
    ApiPath(id): ApiPath<ApiKeyId>,
    ApiJson(request): ApiJson<UpdateApiKeyRequest>,
) -> Result<(ETag, Json<ApiKeyResponse>), ApiError> {
    let now = Utc::now();
    let user_id = caller.principal.user_id;
    let mut tx = state.db.begin().await?;
    // Serializes changes of the user's keys, so that neither the maximum nor If-Match is bypassed.
    lock_user(&mut tx, user_id).await?;
    let before = find(&mut tx, user_id, id).await?;
    if_match.check(&fields::etag(&before)?)?;

    let mut key = before.clone();
    let mut errors = FieldErrors::default();
    if let Some(name) = &request.name {
        key.name = fields::check_name(&mut errors, name);
    }
    if let Some(scope) = &request.scope {
        key.scope = fields::parse_scope(&mut errors, scope);
    }
    match request.collection_ids {
        None => {}
        Some(None) => key.collection_ids = None,
        Some(Some(ids)) => {
            let ids = fields::check_collections(&mut errors, &mut tx, &caller, ids).await?;
            key.collection_ids = Some(ids);
        }
    }
    errors.finish()?;
    key.is_active = request.is_active.unwrap_or(before.is_active);
    if key.is_active && !before.is_active && !key.is_expired(now) {
        check_active_count(&mut tx, user_id, now).await?;
    }
    if key != before {
        tx.api_keys().update(&key).await.map_err(|error| map_unique_violation(error, &key.name))?;
        let details = json!({
            "api_key_id": id,
            "before": Editable::of(&before),
            "after": Editable::of(&key),
        });
        audit::record(&mut tx, &client, Change::of_accounts("api_key_changed", caller.actor(), details))
            .await?;
    }
    tx.commit().await?;
    Ok((fields::etag(&key)?, Json(key.into())))
}

/// Rotate an API key
///
/// Requires a user session. Replaces the secret: the old one is rejected from the next request on, and the
/// response contains the new one, which cannot be shown again.
#[utoipa::path(
    post, path = "/api/v2/api-keys/{key_id}/rotate", operation_id = "rotateApiKey", tag = "api-keys", params(("key_id" = Uuid, Path)),
    request_body = Option<RotateApiKeyRequest>,
    responses((status = 201, body = ApiKeySecretResponse)),
)]
pub(crate) async fn rotate(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    idempotency: Idempotency,
    ApiPath(id): ApiPath<ApiKeyId>,
    ApiOptionalJson(request): ApiOptionalJson<RotateApiKeyRequest>,
) -> Result<Response, ApiError> {
    let now = Utc::now();
    let user_id = caller.principal.user_id;
    let mut errors = FieldErrors::default();
    let days = request.expires_in_days.map(|days| fields::check_days(&mut errors, days));
    errors.finish()?;
    let mut tx = match idempotency.begin(&state.db, user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    lock_user(&mut tx, user_id).await?;
    let mut key = find(&mut tx, user_id, id).await?;
    match (days, key.expires_at.filter(|_| key.is_expired(now))) {
        (Some(days), expired_at) => {
            if key.is_active && expired_at.is_some() {
                check_active_count(&mut tx, user_id, now).await?;
            }
            key.expires_at = Some(now + TimeDelta::days(days));
        }
        (None, Some(at)) => {
            return Err(ApiError::new(
                ErrorKind::Conflict,
                format!("the API key expired at {at}; send expires_in_days to extend it"),
            ));
        }
        (None, None) => {}
    }
    let secret = OpaqueToken::api_key(id);
    tx.api_keys().replace_secret(id, &secret.hash(), key.expires_at).await?;
    key.last_used_at = None;
    let details = json!({ "api_key_id": id, "name": key.name, "expires_at": key.expires_at });
    audit::record(&mut tx, &client, Change::of_accounts("api_key_rotated", caller.actor(), details)).await?;
    let body = ApiKeySecretResponse { key: key.into(), api_key: secret.expose().to_owned() };
    tx.commit_unrepeatable(StatusCode::CREATED, &body, &secret_not_repeated(id)).await
}

/// Delete an API key
///
/// Requires a user session. The key is rejected from the next request on. Permissions granted to it are
/// deleted with it.
#[utoipa::path(
    delete, path = "/api/v2/api-keys/{key_id}", operation_id = "deleteApiKey", tag = "api-keys", params(("key_id" = Uuid, Path)),
    responses((status = 204, description = "The key was deleted.")),
)]
pub(crate) async fn delete(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiPath(id): ApiPath<ApiKeyId>,
) -> Result<StatusCode, ApiError> {
    let user_id = caller.principal.user_id;
    let mut tx = state.db.begin().await?;
    lock_user(&mut tx, user_id).await?;
    let key = find(&mut tx, user_id, id).await?;
    tx.api_keys().delete(user_id, id).await?;
    let details = json!({ "api_key_id": id, "before": Editable::of(&key) });
    audit::record(&mut tx, &client, Change::of_accounts("api_key_deleted", caller.actor(), details)).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(tx: &mut Tx, user_id: UserId, id: ApiKeyId) -> Result<ApiKey, ApiError> {
    let key = tx.api_keys().find(user_id, id).await?;
    key.ok_or_else(|| ApiError::not_found("API key", id))
}

/// Checks that the user can have one more active key. The caller holds the lock of the user's row.
async fn check_active_count(tx: &mut Tx, user_id: UserId, now: DateTime<Utc>) -> Result<(), ApiError> {
    let active = tx.api_keys().count_active(user_id, now).await?;
    if active < MAX_ACTIVE {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorKind::Invalid,
        format!(
            "you have {active} active API keys; the maximum is {MAX_ACTIVE}, so revoke or delete one that is not \
            needed"
        ),
    )
    .with_status(StatusCode::BAD_REQUEST))
}

fn map_unique_violation(error: DbError, name: &str) -> ApiError {
    match error.constraint() {
        Some(ApiKeys::NAME_CONSTRAINT) => ApiError::new(
            ErrorKind::Conflict,
            format!("you already have an API key named {name:?}; choose another name"),
        ),
        _ => error.into(),
    }
}

fn secret_not_repeated(id: ApiKeyId) -> String {
    format!(
        "the response to this request contained the secret of API key {id}, which is shown only once; if it was \
        lost, replace the secret with POST /api/v2/api-keys/{id}/rotate"
    )
}
