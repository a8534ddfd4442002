//! Collections whose vectors are lost or doubtful, written again from what is staged.

use access::Caller;
use axum::Json;
use axum::extract::State as Shared;
use domain::{CollectionId, OperationId};
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ClientInfo, Problem};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::State;
use crate::audit::{self, Change};
use crate::dispatch::dispatch;
use crate::openapi::BodyErrors;

/// Messages that are sent before the answer; sweep sends the others.
const DISPATCHED_AT_ONCE: usize = 100;

/// What to rebuild.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"collection_ids": null}))]
pub(crate) struct RebuildRequest {
    /// Which collections; all of the installation without it.
    #[schema(value_type = Option<Vec<Uuid>>)]
    collection_ids: Option<Vec<CollectionId>>,
}

/// What is rebuilt.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RebuildResponse {
    /// One for each collection. A rebuild that waits already is not queued twice.
    operations: Vec<QueuedRebuild>,
}

/// A rebuild that waits or runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueuedRebuild {
    #[schema(value_type = Uuid)]
    operation_id: OperationId,
    #[schema(value_type = Uuid)]
    collection_id: CollectionId,
    collection_name: String,
}

/// Rebuild collections from what is staged
///
/// For a Qdrant that has lost or damaged its data. All points of each collection are written into a
/// new Qdrant collection, from the chunks and vectors that lie staged: nothing is embedded. It takes
/// the old one's place when every point is there; until then searches answer from the old one, as
/// well as it can. A document whose staged vectors cannot be read ends `failed`, and is indexed anew
/// when it is tried again.
#[utoipa::path(
    post, path = "/api/v2/admin/rebuild", tag = "administration", request_body = RebuildRequest,
    responses(
        (status = 202, body = RebuildResponse),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such collection."),
        BodyErrors,
    ),
)]
pub(crate) async fn rebuild(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiJson(request): ApiJson<RebuildRequest>,
) -> Result<(StatusCode, Json<RebuildResponse>), ApiError> {
    let only = request.collection_ids.as_deref();
    let mut tx = state.db.begin().await?;
    let queued = tx.operations().queue_rebuilds(caller.principal.user_id, only).await?;
    let is_queued = |id: &&CollectionId| queued.iter().any(|rebuild| rebuild.collection_id == **id);
    if let Some(unknown) = only.unwrap_or_default().iter().find(|id| !is_queued(id)) {
        return Err(ApiError::not_found("collection", unknown));
    }
    let details = json!({ "collection_ids": only, "operations": queued.len() });
    audit::record(&mut tx, &client, Change::of_accounts("rebuild_started", caller.actor(), details)).await?;
    tx.commit().await?;
    for rebuild in queued.iter().take(DISPATCHED_AT_ONCE) {
        dispatch(&state, rebuild.operation_id).await;
    }
    let operations = queued.into_iter().map(|rebuild| QueuedRebuild {
        operation_id: rebuild.operation_id,
        collection_id: rebuild.collection_id,
        collection_name: rebuild.collection_name,
    });
    Ok((StatusCode::ACCEPTED, Json(RebuildResponse { operations: operations.collect() })))
}
