//! Deletes and restores documents.

use access::{Begun, Caller, Idempotency, IdempotentTx};
use axum::extract::State as Shared;
use axum::response::Response;
use dispatch::{Initiator, StartOperation, lock_collection};
use domain::{CollectionId, DocumentId, ErrorKind, OperationType};
use http::{HeaderName, HeaderValue, StatusCode, header};
use lambda::http::{ApiError, ApiPath, ClientInfo};
use serde_json::json;

use super::find::find;
use crate::State;
use crate::operations::response::OperationResponse;

/// Delete a document
///
/// Removes the document from lists and search results at once, and its vectors with the operation in
/// `Location`. Documents with the same bytes stay. Reading its source again does not restore it; restoring or
/// uploading it does.
#[utoipa::path(
    delete, path = "/api/v2/collections/{collection_id}/documents/{document_id}", tag = "documents",
    params(("collection_id" = Uuid, Path), ("document_id" = Uuid, Path)),
    responses((status = 204, description = "Deleted.", headers(("Location" = String, description = "The operation that deletes the vectors.")))),
)]
pub(crate) async fn delete(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, DocumentId)>,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1]), ApiError> {
    let initiator = Initiator::Caller { actor: caller.actor(), client: &client };
    let mut collection = lock_collection(state.db.begin().await?, collection_id).await?;
    let document = find(collection.tx().documents(), collection_id, id).await?;
    if !collection.tx().documents().mark_deleted(id).await? {
        return Err(ApiError::not_found("document", id));
    }
    // Consecutive deletions share an operation.
    let pending = collection.tx().operations().lock_pending_removal(collection_id).await?;
    let (mut queued, operation_id) = match pending {
        Some(operation_id) => (collection.join(initiator, operation_id), operation_id),
        None => {
            let operation = StartOperation {
                operation_type: OperationType::RemoveDocuments,
                initiator,
                config: json!({}),
            };
            let (queued, operation) = collection.start(operation).await?;
            (queued, operation.id)
        }
    };
    queued.tx().operation_items().insert_removals(operation_id, &[id]).await?;
    let details = json!({ "document_id": id, "uri": document.uri, "status": document.status });
    let audited = queued.audit("document_deleted", &details).await?;
    audited.commit_with(&state.db, &state.queues, |tx| tx.commit()).await?;
    let location = HeaderValue::from_str(&format!("/api/v2/operations/{operation_id}"))
        .unwrap_or(HeaderValue::from_static("/api/v2/operations"));
    Ok((StatusCode::NO_CONTENT, [(header::LOCATION, location)]))
}

/// Restore a deleted document
///
/// The document is listed again at once, and searchable when the operation has completed. Its staged bytes
/// are indexed; its source is not read. A document that was gone from its source is kept from now on, as
/// a document without a source.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/documents/{document_id}/restore", tag = "documents",
    params(("collection_id" = Uuid, Path), ("document_id" = Uuid, Path)),
    responses((status = 202, body = OperationResponse)),
)]
pub(crate) async fn restore(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    idempotency: Idempotency,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, DocumentId)>,
) -> Result<Response, ApiError> {
    let tx = match idempotency.begin(&state.db, caller.principal.user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    let initiator = Initiator::Caller { actor: caller.actor(), client: &client };
    let mut collection = lock_collection(tx, collection_id).await?;
    let document = find(collection.tx().documents(), collection_id, id).await?;
    let operation =
        StartOperation { operation_type: OperationType::RestoreDocuments, initiator, config: json!({}) };
    let (mut queued, operation) = collection.start(operation).await?;
    if !queued.tx().documents().restore(id, operation.id).await? {
        let reason = format!("the document is {}; only deleted documents can be restored", document.status);
        return Err(ApiError::new(ErrorKind::Conflict, reason));
    }
    let details = json!({ "document_id": id, "uri": document.uri });
    let audited = queued.audit("document_restored", &details).await?;
    let response = OperationResponse::fresh(operation);
    audited
        .commit_with(&state.db, &state.queues, async |tx: IdempotentTx| {
            tx.commit(StatusCode::ACCEPTED, &response).await
        })
        .await
}
