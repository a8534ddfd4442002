//! Deletes and restores documents.

use access::{Begun, Caller, Granted, Idempotency};
use axum::extract::State as Shared;
use axum::response::Response;
use domain::{CollectionId, DocumentId, ErrorKind, OperationType};
use http::{HeaderName, HeaderValue, StatusCode, header};
use lambda::http::{ApiError, ApiPath, ClientInfo, Problem};
use serde_json::json;

use super::find::find;
use super::operation::new_operation;
use crate::State;
use crate::audit::{self, Change};
use crate::dispatch::dispatch;
use crate::locks::lock_collection;
use crate::operations::response::OperationResponse;
use crate::quotas::enforce;

/// Delete a document
///
/// Removes the document from lists and search results at once, and its vectors with the operation in
/// `Location`. If it has duplicates, one of them becomes the original. Reading its source again does not
/// restore it; restoring or uploading it does.
#[utoipa::path(
    delete, path = "/api/v2/collections/{collection_id}/documents/{document_id}", tag = "documents",
    params(("collection_id" = Uuid, Path), ("document_id" = Uuid, Path)),
    responses(
        (status = 204, description = "Deleted.", headers(("Location" = String, description = "The operation that deletes the vectors."))),
    ),
)]
pub(crate) async fn delete(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, DocumentId)>,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1]), ApiError> {
    let mut tx = state.db.begin().await?;
    lock_collection(&mut tx, collection_id).await?;
    let document = find(tx.documents(), collection_id, id).await?;
    if !tx.documents().mark_deleted(id).await? {
        return Err(ApiError::not_found("document", id));
    }
    // Consecutive deletions share an operation.
    let waiting = tx.operations().lock_pending_removal(collection_id).await?;
    let operation_id = match waiting {
        Some(operation_id) => operation_id,
        None => {
            let user_id = caller.principal.user_id;
            let new = new_operation(OperationType::RemoveDocuments, collection_id, user_id);
            tx.operations().insert(&new).await?.id
        }
    };
    tx.operation_items().insert_removals(operation_id, &[id]).await?;
    let change = Change {
        action: "document_deleted",
        actor: caller.actor(),
        collection: Some((collection_id, &found.collection.name)),
        operation_id: Some(operation_id),
        details: json!({ "document_id": id, "uri": document.uri, "status": document.status }),
    };
    audit::record(&mut tx, &client, change).await?;
    tx.commit().await?;
    if waiting.is_none() {
        dispatch(&state, operation_id).await;
    }
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
    responses(
        (status = 202, body = OperationResponse),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The document is not deleted, or a quota is exceeded."),
    ),
)]
pub(crate) async fn restore(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    idempotency: Idempotency,
    Granted(found): Granted,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, DocumentId)>,
) -> Result<Response, ApiError> {
    let user_id = caller.principal.user_id;
    let mut tx = match idempotency.begin(&state.db, user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    lock_collection(&mut tx, collection_id).await?;
    let document = find(tx.documents(), collection_id, id).await?;
    let new = new_operation(OperationType::RestoreDocuments, collection_id, user_id);
    let operation = tx.operations().insert(&new).await?;
    if !tx.documents().restore(id, operation.id).await? {
        let reason = format!("the document is {}; only deleted documents can be restored", document.status);
        return Err(ApiError::new(ErrorKind::Conflict, reason));
    }
    enforce::admit_operations(&mut tx, collection_id, 1).await?;
    let change = Change {
        action: "document_restored",
        actor: caller.actor(),
        collection: Some((collection_id, &found.collection.name)),
        operation_id: Some(operation.id),
        details: json!({ "document_id": id, "uri": document.uri }),
    };
    audit::record(&mut tx, &client, change).await?;
    let operation_id = operation.id;
    let answer = tx.commit(StatusCode::ACCEPTED, &OperationResponse::fresh(operation)).await?;
    dispatch(&state, operation_id).await;
    Ok(answer)
}
