//! Routes of MCP profiles: the collections an AI assistant searches, and the search settings.

use std::collections::HashMap;

use access::{Begun, Caller, Idempotency};
use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use db::accounts::{McpProfile, McpProfileSettings, McpProfiles};
use db::collections::Collections;
use db::{Connection, DbError};
use domain::{CollectionId, ErrorKind, McpProfileId};
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ApiPath, BaseUrl, ClientInfo, ETag, IfMatch, ListQuery, Page};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::client_config::McpConfigResponse;
use super::settings::{CreateMcpProfileRequest, UpdateMcpProfileRequest, defaults, editable};
use crate::State;
use crate::audit::{self, Change};
use crate::openapi::words;

/// An MCP profile: one search tool of an AI assistant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct McpProfileResponse {
    /// Identifies the profile.
    #[schema(value_type = Uuid)]
    id: McpProfileId,
    /// Name, unique among the user's profiles.
    name: String,
    /// Description shown to the assistant.
    description: String,
    /// Collections to search, in this order. Deleted collections, and those that the caller has no access to
    /// any more, are omitted.
    #[schema(value_type = Vec<Uuid>)]
    collection_ids: Vec<CollectionId>,
    /// The same collections with their names.
    collections: Vec<McpCollectionResponse>,
    /// Whether the profile is offered to assistants.
    enabled: bool,
    /// `search_type` of the searches.
    #[schema(value_type = words::SearchType)]
    search_type: String,
    /// Number of results per search, 1 to 100.
    result_count: i32,
    /// Whether results are reranked with a cross-encoder.
    use_reranker: bool,
    /// Minimum score of a result, 0 to 1; `null` for no minimum.
    score_threshold: Option<f64>,
    /// Weight of the dense vectors against the sparse ones, 0 to 1; `null` for the default of search.
    hybrid_alpha: Option<f64>,
    /// Which vectors are searched.
    #[schema(value_type = words::SearchMode)]
    search_mode: String,
    /// Constant k of reciprocal rank fusion, 1 to 1000; `null` for the default of search.
    rrf_k: Option<i32>,
    /// Whether queries are expanded with HyDE (hypothetical document embeddings).
    use_hyde: bool,
    /// When the profile was created.
    created_at: DateTime<Utc>,
    /// When the profile was last changed.
    updated_at: DateTime<Utc>,
}

/// A collection of an MCP profile.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct McpCollectionResponse {
    /// Identifies the collection.
    #[schema(value_type = Uuid)]
    id: CollectionId,
    /// Name of the collection.
    name: String,
}

impl McpProfileResponse {
    fn new(profile: McpProfile, names: &HashMap<CollectionId, String>) -> Self {
        let McpProfile { id, settings, created_at, updated_at } = profile;
        let accessible = settings.collection_ids.into_iter().filter_map(|id| {
            let name = names.get(&id)?.clone();
            Some(McpCollectionResponse { id, name })
        });
        let collections: Vec<McpCollectionResponse> = accessible.collect();
        Self {
            id,
            name: settings.name,
            description: settings.description,
            collection_ids: collections.iter().map(|collection| collection.id).collect(),
            collections,
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

/// Describes profiles, with one statement for the collections that the caller can read.
async fn describe(
    mut collections: Collections<'_>,
    caller: &Caller,
    profiles: Vec<McpProfile>,
) -> Result<Vec<McpProfileResponse>, ApiError> {
    let mut ids: Vec<CollectionId> =
        profiles.iter().flat_map(|profile| profile.settings.collection_ids.iter().copied()).collect();
    ids.sort_unstable();
    ids.dedup();
    let found = collections.find_accessible_many(&ids, &caller.principal).await?;
    let names = found.into_iter().map(|found| (found.collection.id, found.collection.name)).collect();
    Ok(profiles.into_iter().map(|profile| McpProfileResponse::new(profile, &names)).collect())
}

async fn describe_one(
    collections: Collections<'_>,
    caller: &Caller,
    profile: McpProfile,
) -> Result<McpProfileResponse, ApiError> {
    let id = profile.id;
    let described = describe(collections, caller, vec![profile]).await?.pop();
    described.ok_or_else(|| ApiError::not_found("profile", id))
}

/// Which profiles to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListMcpProfilesQuery {
    /// Only profiles that are offered to assistants, or only those that are not.
    enabled: Option<bool>,
}

/// A page of profiles, ordered by name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct McpProfilesResponse {
    /// The profiles of this page.
    profiles: Vec<McpProfileResponse>,
    /// Number of the caller's profiles on all pages.
    total: i64,
    /// Page number, starting at 1.
    page: i64,
    /// Profiles per page.
    per_page: i64,
}

/// Create an MCP profile
///
/// Requires the scope `write`, of a key that is not limited to some collections, and read access to the
/// collections.
#[utoipa::path(
    post, path = "/api/v2/mcp/profiles", operation_id = "createMcpProfile", tag = "mcp", request_body = CreateMcpProfileRequest,
    responses((status = 201, body = McpProfileResponse)),
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
    tx.mcp_profiles().insert(user_id, id, &new).await.map_err(|error| map_unique_violation(error, &new))?;
    let details = json!({ "profile_id": id, "after": editable(&new) });
    let change = Change::of_accounts("mcp_profile_created", caller.actor(), details);
    audit::record(&mut tx, &client, change).await?;
    let Some(profile) = tx.mcp_profiles().find(user_id, id).await? else {
        return Err(ApiError::not_found("profile", id));
    };
    let response = describe_one(tx.collections(), &caller, profile).await?;
    tx.commit(StatusCode::CREATED, &response).await
}

/// List the caller's MCP profiles
///
/// Returns one page.
#[utoipa::path(
    get, path = "/api/v2/mcp/profiles", operation_id = "listMcpProfiles", tag = "mcp", params(ListMcpProfilesQuery, Page),
    responses((status = 200, body = McpProfilesResponse)),
)]
pub(crate) async fn list_profiles(
    Shared(state): Shared<State>,
    caller: Caller,
    ListQuery { page: paging, filters: query, errors }: ListQuery<Page, ListMcpProfilesQuery>,
) -> Result<Json<McpProfilesResponse>, ApiError> {
    errors.finish()?;
    let mut connection = state.db.connection().await?;
    let user_id = caller.principal.user_id;
    let mut profiles = connection.mcp_profiles();
    let page = profiles.list(user_id, query.enabled, paging.per_page, paging.offset()).await?;
    Ok(Json(McpProfilesResponse {
        profiles: describe(connection.collections(), &caller, page.items).await?,
        total: page.total,
        page: paging.page,
        per_page: paging.per_page,
    }))
}

/// Show an MCP profile
///
/// Returns its collections and its defaults of searches.
#[utoipa::path(
    get, path = "/api/v2/mcp/profiles/{profile_id}", operation_id = "getMcpProfile", tag = "mcp", params(("profile_id" = Uuid, Path)),
    responses((
            status = 200, body = McpProfileResponse,
            headers(("ETag" = String, description = "Version of the profile, for `If-Match`.")),
        )),
)]
pub(crate) async fn show_profile(
    Shared(state): Shared<State>,
    caller: Caller,
    ApiPath(id): ApiPath<McpProfileId>,
) -> Result<Response, ApiError> {
    let mut connection = state.db.connection().await?;
    let profile = find(&mut connection, &caller, id).await?;
    answer(connection.collections(), &caller, profile).await
}

/// Change an MCP profile
///
/// Requires the scope `write`, of a key that is not limited to some collections, and read access to the
/// collections of the request. Absent fields stay
/// unchanged.
#[utoipa::path(
    put, path = "/api/v2/mcp/profiles/{profile_id}", operation_id = "updateMcpProfile", tag = "mcp",
    params(("profile_id" = Uuid, Path)), request_body = UpdateMcpProfileRequest,
    responses((
            status = 200, body = McpProfileResponse,
            headers(("ETag" = String, description = "Version of the profile, for `If-Match`.")),
        )),
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
        tx.mcp_profiles()
            .update(user_id, id, &after)
            .await
            .map_err(|error| map_unique_violation(error, &after))?;
        let mut details = audit::difference(&editable(&profile.settings), &editable(&after));
        details["profile_id"] = json!(id);
        let change = Change::of_accounts("mcp_profile_updated", caller.actor(), details);
        audit::record(&mut tx, &client, change).await?;
        profile =
            tx.mcp_profiles().find(user_id, id).await?.ok_or_else(|| ApiError::not_found("profile", id))?;
    }
    let response = answer(tx.collections(), &caller, profile).await?;
    tx.commit().await?;
    Ok(response)
}

/// Delete an MCP profile
///
/// Requires the scope `write`, of a key that is not limited to some collections.
#[utoipa::path(
    delete, path = "/api/v2/mcp/profiles/{profile_id}", operation_id = "deleteMcpProfile", tag = "mcp", params(("profile_id" = Uuid, Path)),
    responses((status = 204, description = "The profile was deleted.")),
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

/// Show the client configuration of an MCP profile
///
/// Returns the settings to paste into an AI assistant. Replace the placeholder by an API key.
#[utoipa::path(
    get, path = "/api/v2/mcp/profiles/{profile_id}/config", operation_id = "getMcpClientConfig", tag = "mcp", params(("profile_id" = Uuid, Path)),
    responses((status = 200, body = McpConfigResponse)),
)]
pub(crate) async fn show_profile_config(
    Shared(state): Shared<State>,
    caller: Caller,
    ApiPath(id): ApiPath<McpProfileId>,
    base_url: BaseUrl,
) -> Result<Json<McpConfigResponse>, ApiError> {
    let profile = find(&mut state.db.connection().await?, &caller, id).await?;
    let api_url = base_url.configured(state.limits.api_url.as_deref());
    Ok(Json(McpConfigResponse::of(&profile.settings.name, api_url)))
}

async fn find(
    connection: &mut Connection,
    caller: &Caller,
    id: McpProfileId,
) -> Result<McpProfile, ApiError> {
    let profile = connection.mcp_profiles().find(caller.principal.user_id, id).await?;
    profile.ok_or_else(|| ApiError::not_found("profile", id))
}

async fn answer(
    collections: Collections<'_>,
    caller: &Caller,
    profile: McpProfile,
) -> Result<Response, ApiError> {
    let etag = ETag::of(&editable(&profile.settings))?;
    Ok((etag, Json(describe_one(collections, caller, profile).await?)).into_response())
}

fn map_unique_violation(error: DbError, settings: &McpProfileSettings) -> ApiError {
    if error.constraint() != Some(McpProfiles::NAME_CONSTRAINT) {
        return error.into();
    }
    let name = &settings.name;
    ApiError::new(
        ErrorKind::Conflict,
        format!("you already have a profile named {name:?}; choose another name"),
    )
}
