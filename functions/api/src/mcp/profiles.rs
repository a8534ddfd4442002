//! Profiles for AI assistants (Model Context Protocol): collections to search, and how.

use access::{Begun, Caller, Idempotency};
use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use db::DbError;
use db::accounts::{McpProfile, McpProfileSettings, McpProfiles};
use domain::{CollectionId, ErrorKind, McpProfileId};
use http::{HeaderMap, StatusCode};
use lambda::http::{ApiError, ApiJson, ApiPath, ApiQuery, ClientInfo, ETag, IfMatch, Problem};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::client_config::McpConfigResponse;
use super::settings::{CreateMcpProfileRequest, UpdateMcpProfileRequest, defaults, editable};
use crate::State;
use crate::audit::{self, Change};
use crate::openapi::{BodyErrors, Versioned};
use crate::paging::Paging;

/// A profile.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct McpProfileResponse {
    #[schema(value_type = Uuid)]
    id: McpProfileId,
    name: String,
    description: String,
    /// In the order in which they are searched; without those that were deleted since.
    #[schema(value_type = Vec<Uuid>)]
    collection_ids: Vec<CollectionId>,
    enabled: bool,
    search_type: String,
    result_count: i32,
    use_reranker: bool,
    score_threshold: Option<f64>,
    hybrid_alpha: Option<f64>,
    search_mode: String,
    rrf_k: Option<i32>,
    use_hyde: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<McpProfile> for McpProfileResponse {
    fn from(profile: McpProfile) -> Self {
        let McpProfile { id, settings, created_at, updated_at } = profile;
        Self {
            id,
            name: settings.name,
            description: settings.description,
            collection_ids: settings.collection_ids,
            enabled: settings.enabled,
            search_type: settings.search_type,
            result_count: settings.result_count,
            use_reranker: settings.use_reranker,
            score_threshold: settings.score_threshold,
            hybrid_alpha: settings.hybrid_alpha,
            search_mode: settings.search_mode,
            rrf_k: settings.rrf_k,
            use_hyde: settings.use_hyde,
            created_at,
            updated_at,
        }
    }
}

/// Which profiles to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListMcpProfilesQuery {
    /// Which page, from 1.
    #[param(minimum = 1, maximum = 1_000_000, default = 1)]
    page: Option<i64>,
    /// Profiles on a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    per_page: Option<i64>,
}

/// A page of profiles, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct McpProfilesResponse {
    profiles: Vec<McpProfileResponse>,
    total: i64,
    page: i64,
    per_page: i64,
}

/// Make a profile
#[utoipa::path(
    post, path = "/api/v2/mcp/profiles", tag = "mcp", request_body = CreateMcpProfileRequest,
    responses(
        (status = 201, body = McpProfileResponse),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The caller has a profile of that name."),
        BodyErrors,
    ),
)]
pub(crate) async fn create_profile(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    idempotency: Idempotency,
    ApiJson(request): ApiJson<CreateMcpProfileRequest>,
) -> Result<Response, ApiError> {
    let user_id = caller.principal.user_id;
    let mut tx = match idempotency.begin(&state.db, user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    let new = UpdateMcpProfileRequest::from(request).apply_to(&defaults(), &mut tx, &caller).await?;
    let id = McpProfileId(Uuid::new_v4());
    tx.mcp_profiles().insert(user_id, id, &new).await.map_err(|error| explain(error, &new))?;
    let details = json!({ "profile_id": id, "after": editable(&new) });
    let change = Change::of_accounts("mcp_profile_created", caller.actor(), details);
    audit::record(&mut tx, &client, change).await?;
    let Some(profile) = tx.mcp_profiles().find(user_id, id).await? else {
        return Err(ApiError::not_found("profile", id));
    };
    tx.commit(StatusCode::CREATED, &McpProfileResponse::from(profile)).await
}

/// List the caller's profiles
#[utoipa::path(
    get, path = "/api/v2/mcp/profiles", tag = "mcp", params(ListMcpProfilesQuery),
    responses(
        (status = 200, body = McpProfilesResponse),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "A parameter is wrong."),
    ),
)]
pub(crate) async fn list_profiles(
    Shared(state): Shared<State>,
    caller: Caller,
    ApiQuery(query): ApiQuery<ListMcpProfilesQuery>,
) -> Result<Json<McpProfilesResponse>, ApiError> {
    let paging = Paging::new(query.page, query.per_page)?;
    let mut connection = state.db.connection().await?;
    let user_id = caller.principal.user_id;
    let page = connection.mcp_profiles().list(user_id, paging.per_page, paging.offset()).await?;
    Ok(Json(McpProfilesResponse {
        profiles: page.items.into_iter().map(McpProfileResponse::from).collect(),
        total: page.total,
        page: paging.page,
        per_page: paging.per_page,
    }))
}

/// Show a profile
#[utoipa::path(
    get, path = "/api/v2/mcp/profiles/{profile_id}", tag = "mcp", params(("profile_id" = Uuid, Path)),
    responses(
        (
            status = 200, body = McpProfileResponse,
            headers(("ETag" = String, description = "The version, for `If-Match`.")),
        ),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "The caller has no such profile."),
    ),
)]
pub(crate) async fn show_profile(
    Shared(state): Shared<State>,
    caller: Caller,
    ApiPath(id): ApiPath<McpProfileId>,
) -> Result<Response, ApiError> {
    answer(find(&state, &caller, id).await?)
}

/// Change a profile
#[utoipa::path(
    put, path = "/api/v2/mcp/profiles/{profile_id}", tag = "mcp",
    params(("profile_id" = Uuid, Path), Versioned), request_body = UpdateMcpProfileRequest,
    responses(
        (
            status = 200, body = McpProfileResponse,
            headers(("ETag" = String, description = "The version, for `If-Match`.")),
        ),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "The caller has no such profile."),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The caller has a profile of that name."),
        Versioned,
        BodyErrors,
    ),
)]
pub(crate) async fn update_profile(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiPath(id): ApiPath<McpProfileId>,
    if_match: IfMatch,
    ApiJson(request): ApiJson<UpdateMcpProfileRequest>,
) -> Result<Response, ApiError> {
    let user_id = caller.principal.user_id;
    let mut tx = state.db.begin().await?;
    let Some(mut profile) = tx.mcp_profiles().lock(user_id, id).await? else {
        return Err(ApiError::not_found("profile", id));
    };
    if_match.check(&ETag::of(&editable(&profile.settings))?)?;
    let after = request.apply_to(&profile.settings, &mut tx, &caller).await?;
    if after != profile.settings {
        tx.mcp_profiles().update(user_id, id, &after).await.map_err(|error| explain(error, &after))?;
        let mut details = audit::difference(&editable(&profile.settings), &editable(&after));
        details["profile_id"] = json!(id);
        let change = Change::of_accounts("mcp_profile_updated", caller.actor(), details);
        audit::record(&mut tx, &client, change).await?;
        profile =
            tx.mcp_profiles().find(user_id, id).await?.ok_or_else(|| ApiError::not_found("profile", id))?;
    }
    tx.commit().await?;
    answer(profile)
}

/// Remove a profile
#[utoipa::path(
    delete, path = "/api/v2/mcp/profiles/{profile_id}", tag = "mcp", params(("profile_id" = Uuid, Path)),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "The caller has no such profile."),
    ),
)]
pub(crate) async fn delete_profile(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiPath(id): ApiPath<McpProfileId>,
) -> Result<StatusCode, ApiError> {
    let mut tx = state.db.begin().await?;
    let Some(name) = tx.mcp_profiles().delete(caller.principal.user_id, id).await? else {
        return Err(ApiError::not_found("profile", id));
    };
    let details = json!({ "profile_id": id, "before": { "name": name } });
    let change = Change::of_accounts("mcp_profile_deleted", caller.actor(), details);
    audit::record(&mut tx, &client, change).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show how an assistant is told of a profile
///
/// Put an API key in the place of the placeholder.
#[utoipa::path(
    get, path = "/api/v2/mcp/profiles/{profile_id}/config", tag = "mcp", params(("profile_id" = Uuid, Path)),
    responses(
        (status = 200, body = McpConfigResponse),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "The caller has no such profile."),
    ),
)]
pub(crate) async fn show_profile_config(
    Shared(state): Shared<State>,
    caller: Caller,
    ApiPath(id): ApiPath<McpProfileId>,
    headers: HeaderMap,
) -> Result<Json<McpConfigResponse>, ApiError> {
    let profile = find(&state, &caller, id).await?;
    Ok(Json(McpConfigResponse::of(&profile.settings.name, &headers)))
}

async fn find(state: &State, caller: &Caller, id: McpProfileId) -> Result<McpProfile, ApiError> {
    let mut connection = state.db.connection().await?;
    let profile = connection.mcp_profiles().find(caller.principal.user_id, id).await?;
    profile.ok_or_else(|| ApiError::not_found("profile", id))
}

fn answer(profile: McpProfile) -> Result<Response, ApiError> {
    let etag = ETag::of(&editable(&profile.settings))?;
    Ok((etag, Json(McpProfileResponse::from(profile))).into_response())
}

fn explain(error: DbError, settings: &McpProfileSettings) -> ApiError {
    if error.constraint() != Some(McpProfiles::NAME_CONSTRAINT) {
        return error.into();
    }
    let name = &settings.name;
    ApiError::new(
        ErrorKind::Conflict,
        format!("you already have a profile named {name:?}; choose another name"),
    )
}
