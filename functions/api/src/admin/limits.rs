//! Showing and setting the quotas of any collection and any user.

use access::Caller;
use axum::Json;
use axum::extract::State as Shared;
use domain::{CollectionId, UserId};
use lambda::http::{ApiError, ApiJson, ApiPath, ClientInfo, ETag, IfMatch};
use serde_json::json;

use crate::State;
use crate::audit::{self, Change};
use crate::locks::lock_collection;
use crate::quotas::limits::{
    CollectionLimitsBody, CollectionLimitsResponse, UserLimitsBody, UserLimitsResponse, of_collection,
    of_user,
};

/// Show the limits and usage of any collection
///
/// Requires a superuser.
#[utoipa::path(
    get, path = "/api/v2/admin/collections/{collection_id}/limits", operation_id = "getCollectionLimitsAsAdmin",
    tag = "administration", params(("collection_id" = Uuid, Path)),
    responses((status = 200, body = CollectionLimitsResponse, headers(("ETag" = String, description = "Version of the limits, for `If-Match`.")))),
)]
pub(crate) async fn show_for_collection(
    Shared(state): Shared<State>,
    ApiPath(id): ApiPath<CollectionId>,
) -> Result<(ETag, Json<CollectionLimitsResponse>), ApiError> {
    let found = state.db.connection().await?.collections().find_any(id).await?;
    found
        .filter(|collection| collection.deleted_at.is_none())
        .ok_or_else(|| ApiError::not_found("collection", id))?;
    of_collection(&state, id).await
}

/// Set the limits of any collection
///
/// Requires a superuser. Replaces all limits. Limits below the current usage delete nothing; they only
/// reject further additions.
#[utoipa::path(
    put, path = "/api/v2/admin/collections/{collection_id}/limits", operation_id = "setCollectionLimits", tag = "administration",
    params(("collection_id" = Uuid, Path)), request_body = CollectionLimitsBody,
    responses((status = 200, body = CollectionLimitsResponse, headers(("ETag" = String, description = "Version of the limits, for `If-Match`.")))),
)]
pub(crate) async fn set_for_collection(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiPath(id): ApiPath<CollectionId>,
    if_match: IfMatch,
    ApiJson(body): ApiJson<CollectionLimitsBody>,
) -> Result<(ETag, Json<CollectionLimitsResponse>), ApiError> {
    let limits = body.check()?;
    let mut tx = state.db.begin().await?;
    lock_collection(&mut tx, id).await?;
    let found = tx.collections().find_any(id).await?;
    let found = found.ok_or_else(|| ApiError::not_found("collection", id))?;
    let before = CollectionLimitsBody::from(tx.collection_resource_limits().lock(id).await?);
    if_match.check(&ETag::of(&before)?)?;
    tx.collection_resource_limits().update(id, &limits).await?;
    let change = Change {
        action: "collection_limits_set",
        actor: caller.actor(),
        collection: Some((id, &found.name)),
        operation_id: None,
        details: audit::difference(&json!(before), &json!(body)),
    };
    audit::record(&mut tx, &client, change).await?;
    tx.commit().await?;
    of_collection(&state, id).await
}

/// Show a user's limits and usage
///
/// Requires a superuser.
#[utoipa::path(
    get, path = "/api/v2/admin/users/{user_id}/limits", operation_id = "getUserLimits",
    tag = "administration", params(("user_id" = i64, Path)),
    responses((status = 200, body = UserLimitsResponse, headers(("ETag" = String, description = "Version of the limits, for `If-Match`.")))),
)]
pub(crate) async fn show_for_user(
    Shared(state): Shared<State>,
    ApiPath(id): ApiPath<UserId>,
) -> Result<(ETag, Json<UserLimitsResponse>), ApiError> {
    let found = state.db.connection().await?.users().find(id).await?;
    found.ok_or_else(|| ApiError::not_found("user", id))?;
    of_user(&state, id).await
}

/// Set a user's limits
///
/// Requires a superuser. Replaces all limits. Limits below the current usage delete nothing; they only
/// reject further additions.
#[utoipa::path(
    put, path = "/api/v2/admin/users/{user_id}/limits", operation_id = "setUserLimits",
    tag = "administration", params(("user_id" = i64, Path)), request_body = UserLimitsBody,
    responses((status = 200, body = UserLimitsResponse, headers(("ETag" = String, description = "Version of the limits, for `If-Match`.")))),
)]
pub(crate) async fn set_for_user(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiPath(id): ApiPath<UserId>,
    if_match: IfMatch,
    ApiJson(body): ApiJson<UserLimitsBody>,
) -> Result<(ETag, Json<UserLimitsResponse>), ApiError> {
    let limits = body.check()?;
    let mut tx = state.db.begin().await?;
    let user = tx.users().lock(id).await?.ok_or_else(|| ApiError::not_found("user", id))?;
    let before = UserLimitsBody::from(tx.user_resource_limits().lock(id).await?);
    if_match.check(&ETag::of(&before)?)?;
    tx.user_resource_limits().update(id, &limits).await?;
    let mut details = audit::difference(&json!(before), &json!(body));
    details["user_id"] = json!(id);
    details["username"] = json!(user.username);
    audit::record(&mut tx, &client, Change::of_accounts("user_limits_set", caller.actor(), details)).await?;
    tx.commit().await?;
    of_user(&state, id).await
}
