//! Cancels operations.

use access::{Caller, GrantedOperation};
use axum::Json;
use axum::extract::State as Shared;
use db::Tx;
use db::operations::Operation;
use dispatch::lock_operation;
use domain::{AccessLevel, ErrorKind, OperationStatus, OperationType};
use lambda::http::{ApiError, ClientInfo};
use serde_json::json;

use crate::State;
use crate::audit::{self, Change};
use crate::operations::response::OperationResponse;

/// Cancel an operation
///
/// A pending operation is cancelled at once, and the next one starts. A running one stops before its
/// next document: indexed documents stay, the others end as `cancelled`, and so does the operation.
/// Repeating the request changes nothing.
#[utoipa::path(
    post, path = "/api/v2/operations/{operation_id}/cancel", operation_id = "cancelOperationByPost", tag = "operations",
    params(("operation_id" = Uuid, Path)),
    responses((status = 200, body = OperationResponse)),
)]
pub(crate) async fn cancel(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    GrantedOperation { operation, .. }: GrantedOperation,
) -> Result<Json<OperationResponse>, ApiError> {
    request_cancel(&state, &caller, &client, &operation).await
}

/// Cancel an operation
///
/// The same as `POST /api/v2/operations/{operation_id}/cancel`.
#[utoipa::path(
    delete, path = "/api/v2/operations/{operation_id}", operation_id = "cancelOperation", tag = "operations",
    params(("operation_id" = Uuid, Path)),
    responses((status = 200, body = OperationResponse)),
)]
pub(crate) async fn delete(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    GrantedOperation { operation, .. }: GrantedOperation,
) -> Result<Json<OperationResponse>, ApiError> {
    request_cancel(&state, &caller, &client, &operation).await
}

async fn request_cancel(
    state: &State,
    caller: &Caller,
    client: &ClientInfo,
    operation: &Operation,
) -> Result<Json<OperationResponse>, ApiError> {
    let id = operation.id;
    let locked = lock_operation(state.db.begin().await?, operation.collection_id, id).await?;
    let mut locked = locked.ok_or_else(|| ApiError::not_found("operation", id))?;
    let before = locked.operation().clone();
    require_cancellable(&before)?;
    if before.cancel_requested_at.is_none() {
        record(locked.tx(), caller, client, &before).await?;
    }
    locked.cancel(&state.db, &state.queues).await?;
    let mut connection = state.db.connection().await?;
    let operation = connection.operations().find(id).await?;
    let operation = operation.ok_or_else(|| ApiError::not_found("operation", id))?;
    let counts = connection.operations().item_counts(id).await?;
    Ok(Json(OperationResponse::new(operation, &counts, AccessLevel::Write)))
}

fn require_cancellable(operation: &Operation) -> Result<(), ApiError> {
    let refuse = |reason: &str| Err(ApiError::new(ErrorKind::Conflict, reason));
    let has_begun = operation.status != OperationStatus::Pending;
    match (operation.operation_type, operation.status) {
        (_, OperationStatus::Completed | OperationStatus::Failed | OperationStatus::Cancelled) => refuse(
            &format!("this operation has already ended ({}); there is nothing to cancel", operation.status),
        ),
        (OperationType::Delete, _) => {
            refuse("the deletion of a collection cannot be cancelled: the collection is deleted already")
        }
        (OperationType::RemoveDocuments, _) => {
            refuse("the removal of deleted documents cannot be cancelled; restore the documents instead")
        }
        (OperationType::RemoveSource, _) if has_begun => refuse(
            "the removal of a source cannot be cancelled once it runs; add the source again when it has ended",
        ),
        _ => Ok(()),
    }
}

async fn record(
    tx: &mut Tx,
    caller: &Caller,
    client: &ClientInfo,
    operation: &Operation,
) -> Result<(), ApiError> {
    let collection = tx.collections().find_any(operation.collection_id).await?;
    let change = Change {
        action: "operation_cancel_requested",
        actor: caller.actor(),
        collection: collection.as_ref().map(|collection| (collection.id, collection.name.as_str())),
        operation_id: Some(operation.id),
        details: json!({ "operation_id": operation.id, "type": operation.operation_type, "status": operation.status }),
    };
    audit::record(tx, client, change).await?;
    Ok(())
}
