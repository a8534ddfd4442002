//! Rebuilding the indexes of collections from staged artifacts after data loss in Qdrant.

use access::Caller;
use axum::Json;
use axum::extract::State as Shared;
use dispatch::{Initiator, start_rebuilds};
use domain::{CollectionId, OperationId};
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ClientInfo};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::State;

/// Selects the collections to rebuild.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"collection_ids": null}))]
pub(crate) struct RebuildRequest {
    /// Collections to rebuild; default all collections of the installation.
    #[schema(value_type = Option<Vec<Uuid>>)]
    collection_ids: Option<Vec<CollectionId>>,
}

/// The queued rebuilds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RebuildResponse {
    /// One operation per collection. A pending rebuild is returned instead of queueing a second one.
    operations: Vec<QueuedRebuild>,
}

/// A pending or running rebuild.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueuedRebuild {
    /// The operation; follow it at `GET /api/v2/operations/{operation_id}`.
    #[schema(value_type = Uuid)]
    operation_id: OperationId,
    /// The collection.
    #[schema(value_type = Uuid)]
    collection_id: CollectionId,
    /// Name of the collection.
    collection_name: String,
}

/// Rebuild collections from staged artifacts
///
/// Requires a superuser. Use it after data loss in Qdrant. Each collection's points are written to a new
/// index from the staged chunks and vectors; nothing is embedded again. The new index replaces the old one
/// once all points are present; until then, searches use the old one. A document whose staged vectors
/// cannot be read ends as `failed`, and retrying it indexes it again. Costs one write of every point.
#[utoipa::path(
    post, path = "/api/v2/admin/rebuild", operation_id = "rebuildIndexes", tag = "administration", request_body = RebuildRequest,
    responses((status = 202, body = RebuildResponse)),
)]
pub(crate) async fn rebuild(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiJson(request): ApiJson<RebuildRequest>,
) -> Result<(StatusCode, Json<RebuildResponse>), ApiError> {
    let only = request.collection_ids.as_deref();
    let initiator = Initiator::Caller { actor: caller.actor(), client: &client };
    let (queued, rebuilds) = start_rebuilds(state.db.begin().await?, initiator, only).await?;
    let is_queued = |id: &&CollectionId| rebuilds.iter().any(|rebuild| rebuild.collection_id == **id);
    if let Some(unknown) = only.unwrap_or_default().iter().find(|id| !is_queued(id)) {
        return Err(ApiError::not_found("collection", unknown));
    }
    let details = json!({ "collection_ids": only, "operations": rebuilds.len() });
    let audited = queued.audit("rebuild_started", &details).await?;
    audited.commit_with(&state.db, &state.queues, |tx| tx.commit()).await?;
    let operations = rebuilds.into_iter().map(|rebuild| QueuedRebuild {
        operation_id: rebuild.operation_id,
        collection_id: rebuild.collection_id,
        collection_name: rebuild.collection_name,
    });
    Ok((StatusCode::ACCEPTED, Json(RebuildResponse { operations: operations.collect() })))
}
