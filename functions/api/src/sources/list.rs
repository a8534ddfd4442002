//! Lists a collection's sources, and shows one.

use axum::Json;
use axum::extract::State as Shared;
use domain::{CollectionId, SourceId};
use lambda::http::{ApiError, ApiPath, ETag, OffsetPage};
use serde::Serialize;
use utoipa::ToSchema;

use super::response::{SourceResponse, version};
use crate::State;

/// A page of a collection's sources, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourcesResponse {
    /// The sources of this page.
    items: Vec<SourceResponse>,
    /// Number of sources on all pages.
    total: i64,
    /// Number of skipped entries.
    offset: i64,
    /// Maximum number of entries per page.
    limit: i64,
}

/// List a collection's sources
///
/// Returns one page, with the results of their last runs.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/sources", operation_id = "listSources", tag = "sources",
    params(("collection_id" = Uuid, Path), OffsetPage),
    responses((status = 200, body = SourcesResponse)),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    ApiPath(collection_id): ApiPath<CollectionId>,
    slice: OffsetPage,
) -> Result<Json<SourcesResponse>, ApiError> {
    let mut connection = state.db.connection().await?;
    let page = connection.collection_sources().list(collection_id, slice.limit, slice.offset).await?;
    Ok(Json(SourcesResponse {
        items: page.items.into_iter().map(SourceResponse::from).collect(),
        total: page.total,
        offset: slice.offset,
        limit: slice.limit,
    }))
}

/// Show a source
///
/// Returns its settings, except secrets, and the result of its last run.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/sources/{source_id}", operation_id = "getSource", tag = "sources",
    params(("collection_id" = Uuid, Path), ("source_id" = i64, Path)),
    responses((
        status = 200, body = SourceResponse,
        headers(("ETag" = String, description = "Version of the fields that PATCH can change.")),
    )),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, SourceId)>,
) -> Result<(ETag, Json<SourceResponse>), ApiError> {
    let mut connection = state.db.connection().await?;
    let source = connection.collection_sources().find(id).await?;
    let source = source.filter(|source| source.collection_id == collection_id);
    let source = source.ok_or_else(|| ApiError::not_found("source", id))?;
    Ok((version(&source)?, Json(source.into())))
}
