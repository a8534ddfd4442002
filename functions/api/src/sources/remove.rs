//! Removing sources with their documents.

use access::{Caller, Granted};
use axum::Json;
use axum::extract::State as Shared;
use db::collections::Collection;
use db::operations::NewOperation;
use db::sources::CollectionSource;
use domain::{AccessLevel, CollectionId, OperationId, OperationType, SourceId};
use http::StatusCode;
use lambda::http::{ApiError, ApiPath, ApiQuery, ClientInfo, Problem};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::State;
use crate::audit::{self, Change};
use crate::dispatch::dispatch;
use crate::operations::response::OperationResponse;

/// Which source to remove.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RemoveSourceQuery {
    /// The source's path, as it is listed.
    #[param(example = "/srv/documents")]
    source_path: String,
}

/// Remove a source
///
/// Its documents go from lists and search results, their vectors are deleted, and then the source
/// goes; what still reads it is cancelled. A document of another source with the same bytes takes
/// the place of one that goes. The documents can be restored one by one. Asking again while it is
/// being removed answers with the same operation.
#[utoipa::path(
    delete, path = "/api/v2/collections/{collection_id}/sources/{source_id}", tag = "sources",
    params(("collection_id" = Uuid, Path), ("source_id" = i64, Path)),
    responses((status = 202, body = OperationResponse)),
)]
pub(crate) async fn remove(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, SourceId)>,
) -> Result<(StatusCode, Json<OperationResponse>), ApiError> {
    let source = state.db.connection().await?.collection_sources().find(id).await?;
    let source = source.filter(|source| source.collection_id == collection_id);
    let source = source.ok_or_else(|| ApiError::not_found("source", id))?;
    start(&state, &caller, &client, &found.collection, source).await
}

/// Remove a source by its path
///
/// The same as `DELETE /api/v2/collections/{collection_id}/sources/{source_id}`.
#[utoipa::path(
    delete, path = "/api/v2/collections/{collection_id}/sources", tag = "sources",
    params(("collection_id" = Uuid, Path), RemoveSourceQuery),
    responses(
        (status = 202, body = OperationResponse),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "A parameter is wrong."),
    ),
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
    start(&state, &caller, &client, &found.collection, source).await
}

async fn start(
    state: &State,
    caller: &Caller,
    client: &ClientInfo,
    collection: &Collection,
    source: CollectionSource,
) -> Result<(StatusCode, Json<OperationResponse>), ApiError> {
    let mut tx = state.db.begin().await?;
    // Held, so that of two removals at once the second finds the first.
    if tx.collection_sources().find_for_update(source.id).await?.is_none() {
        return Err(ApiError::not_found("source", source.id));
    }
    if let Some(open) = tx.operations().find_open_source_removal(source.id).await?
        && let Some(operation) = tx.operations().find(open).await?
    {
        let counts = tx.operations().item_counts(open).await?;
        return Ok((
            StatusCode::ACCEPTED,
            Json(OperationResponse::new(operation, &counts, AccessLevel::Write)),
        ));
    }
    let readings = tx.operations().list_open_readings(source.id).await?;
    let mut running = Vec::new();
    for reading in &readings {
        if tx.operations().cancel_pending(*reading).await?.is_none()
            && tx.operations().request_cancel(*reading).await?
        {
            running.push(*reading);
        }
    }
    let new = NewOperation {
        id: OperationId(Uuid::new_v4()),
        collection_id: collection.id,
        user_id: caller.principal.user_id,
        source_id: Some(source.id),
        operation_type: OperationType::RemoveSource,
        config: json!({
            "source_id": source.id, "source_type": source.source_type, "source_path": source.source_path,
        }),
    };
    let operation = tx.operations().insert(&new).await?;
    let change = Change {
        action: "source_removed",
        actor: caller.actor(),
        collection: Some((collection.id, &collection.name)),
        operation_id: Some(operation.id),
        details: json!({
            "source_id": source.id, "source_type": source.source_type, "source_path": source.source_path,
            "document_count": source.document_count,
        }),
    };
    audit::record(&mut tx, client, change).await?;
    tx.commit().await?;
    for reading in running {
        dispatch(state, reading).await;
    }
    dispatch(state, operation.id).await;
    Ok((StatusCode::ACCEPTED, Json(OperationResponse::fresh(operation))))
}
