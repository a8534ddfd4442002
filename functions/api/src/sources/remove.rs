//! Removes a source with its documents.

use access::{Caller, Granted};
use axum::Json;
use axum::extract::State as Shared;
use dispatch::{Initiator, StartOperation, lock_collection};
use domain::{AccessLevel, CollectionId, OperationType, PushSource, SourceId};
use http::StatusCode;
use lambda::http::{ApiError, ApiPath, ApiQuery, ClientInfo};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use crate::State;
use crate::operations::response::OperationResponse;

/// Which source to remove.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RemoveSourceQuery {
    /// The source's `source_path`.
    #[param(example = "/srv/documents")]
    source_path: String,
}

/// Remove a source
///
/// Starts the operation that soft-deletes its documents, deletes their vectors, and then the source.
/// Operations that read the source are cancelled, and what was pushed to it and is on its way does not arrive. If a document of another source has the same bytes as
/// a deleted one, it is indexed instead. The documents can be restored one by one. Repeating the request
/// returns the same operation.
#[utoipa::path(
    delete, path = "/api/v2/collections/{collection_id}/sources/{source_id}", operation_id = "removeSource", tag = "sources",
    params(("collection_id" = Uuid, Path), ("source_id" = i64, Path)),
    responses((status = 202, body = OperationResponse)),
)]
pub(crate) async fn remove(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, SourceId)>,
) -> Result<(StatusCode, Json<OperationResponse>), ApiError> {
    let initiator = Initiator::Caller { actor: caller.actor(), client: &client };
    start(&state, initiator, collection_id, id).await
}

/// Remove a source by its path
///
/// The same as `DELETE /api/v2/collections/{collection_id}/sources/{source_id}`.
#[utoipa::path(
    delete, path = "/api/v2/collections/{collection_id}/sources", operation_id = "removeSourceByPath", tag = "sources",
    params(("collection_id" = Uuid, Path), RemoveSourceQuery),
    responses((status = 202, body = OperationResponse)),
)]
pub(crate) async fn remove_by_path(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
    ApiQuery(query): ApiQuery<RemoveSourceQuery>,
) -> Result<(StatusCode, Json<OperationResponse>), ApiError> {
    let path = query.source_path;
    let mut connection = state.db.connection().await?;
    let source = connection.collection_sources().find_by_path(found.collection.id, &path).await?;
    drop(connection);
    let source = source.ok_or_else(|| ApiError::not_found("source", format!("{path:?}")))?;
    let initiator = Initiator::Caller { actor: caller.actor(), client: &client };
    start(&state, initiator, found.collection.id, source.id).await
}

async fn start(
    state: &State,
    initiator: Initiator<'_>,
    collection_id: CollectionId,
    id: SourceId,
) -> Result<(StatusCode, Json<OperationResponse>), ApiError> {
    let collection = lock_collection(state.db.begin().await?, collection_id).await?;
    let mut source = collection.lock_source(id).await?;
    // Of two concurrent removals the second waits for the locks and finds the first.
    if let Some(open) = source.tx().operations().find_open_source_removal(id).await?
        && let Some(operation) = source.tx().operations().find(open).await?
    {
        let counts = source.tx().operations().item_counts(open).await?;
        return Ok((
            StatusCode::ACCEPTED,
            Json(OperationResponse::new(operation, &counts, AccessLevel::Write)),
        ));
    }
    let mut source = source.cancel_readings().await?;
    if let Some(pushed) = PushSource::of_path(&source.source().source_path) {
        source.tx().uploads().withdraw_of_source(collection_id, &pushed).await?;
    }
    let config = json!({
        "source_id": id, "source_type": source.source().source_type, "source_path": source.source().source_path,
    });
    let mut details = config.clone();
    details["document_count"] = source.source().document_count.into();
    let operation = StartOperation { operation_type: OperationType::RemoveSource, initiator, config };
    let (queued, operation) = source.start(operation).await?;
    let audited = queued.audit("source_removed", &details).await?;
    audited.commit_with(&state.db, &state.queues, |tx| tx.commit()).await?;
    Ok((StatusCode::ACCEPTED, Json(OperationResponse::fresh(operation))))
}
