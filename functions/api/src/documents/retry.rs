//! Trying documents again that could not be indexed.

use access::{Begun, Caller, Granted, Idempotency, IdempotentTx};
use axum::extract::State as Shared;
use axum::response::Response;
use domain::{CollectionId, DocumentId, DocumentStatus, ErrorKind, OperationId, OperationType};
use http::StatusCode;
use lambda::http::{ApiError, ApiPath, ClientInfo, Problem};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::find::find;
use super::operation::new_operation;
use crate::State;
use crate::audit::{self, Change};
use crate::dispatch::dispatch;
use crate::locks::lock_collection;
use crate::quotas::enforce;

/// What is tried again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RetryResponse {
    /// Documents that are tried again by this call.
    reset_count: i64,
    /// Documents of the collection that wait to be indexed now.
    pending_count: i64,
    /// The operation that tries; null where there is nothing to try again.
    #[schema(value_type = Option<Uuid>)]
    operation_id: Option<OperationId>,
    /// The same in words.
    #[schema(example = "3 failed documents are tried again")]
    message: String,
}

/// Try a document again
///
/// One that failed, or whose operation was cancelled. Its bytes are taken from what is staged of it,
/// else from its source.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/documents/{document_id}/retry", tag = "documents",
    params(("collection_id" = Uuid, Path), ("document_id" = Uuid, Path)),
    responses(
        (status = 200, body = RetryResponse),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The document is neither failed nor cancelled, or there is no room for it."),
    ),
)]
pub(crate) async fn retry(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    idempotency: Idempotency,
    Granted(found): Granted,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, DocumentId)>,
) -> Result<Response, ApiError> {
    let mut tx = match idempotency.begin(&state.db, caller.principal.user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    lock_collection(&mut tx, collection_id).await?;
    let document = find(tx.documents(), collection_id, id).await?;
    if !matches!(document.status, DocumentStatus::Failed | DocumentStatus::Cancelled) {
        let status = document.status;
        let reason = format!("this document is {status}; only a failed or cancelled one can be tried again");
        return Err(ApiError::new(ErrorKind::Conflict, reason));
    }
    let request = Request { collection_id, collection_name: &found.collection.name, only: Some(id) };
    start(&state, &caller, &client, tx, request).await
}

/// Try all failed documents again
///
/// Their bytes are taken from what is staged of them, else from their sources. Where none has
/// failed, nothing is started.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/documents/retry-failed", tag = "documents",
    params(("collection_id" = Uuid, Path)),
    responses(
        (status = 200, body = RetryResponse),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "There is no room for all of them."),
    ),
)]
pub(crate) async fn retry_failed(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    idempotency: Idempotency,
    Granted(found): Granted,
) -> Result<Response, ApiError> {
    let collection_id = found.collection.id;
    let mut tx = match idempotency.begin(&state.db, caller.principal.user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    lock_collection(&mut tx, collection_id).await?;
    let (failed, pending_count) = tx.documents().count_unfinished(collection_id).await?;
    if failed == 0 {
        let message = "no document of this collection has failed".to_owned();
        let nothing = RetryResponse { reset_count: 0, pending_count, operation_id: None, message };
        return tx.commit(StatusCode::OK, &nothing).await;
    }
    let request = Request { collection_id, collection_name: &found.collection.name, only: None };
    start(&state, &caller, &client, tx, request).await
}

/// What to try again.
struct Request<'a> {
    collection_id: CollectionId,
    collection_name: &'a str,
    only: Option<DocumentId>,
}

async fn start(
    state: &State,
    caller: &Caller,
    client: &ClientInfo,
    mut tx: IdempotentTx,
    request: Request<'_>,
) -> Result<Response, ApiError> {
    let Request { collection_id, collection_name, only } = request;
    let new = new_operation(OperationType::RetryDocuments, collection_id, caller.principal.user_id);
    let operation = tx.operations().insert(&new).await?;
    let reset = tx.documents().retry(collection_id, only, operation.id).await?;
    enforce::admit_operations(&mut tx, collection_id, 1).await?;
    let (_, pending_count) = tx.documents().count_unfinished(collection_id).await?;
    let change = Change {
        action: "documents_retried",
        actor: caller.actor(),
        collection: Some((collection_id, collection_name)),
        operation_id: Some(operation.id),
        details: json!({ "document_id": only, "count": reset }),
    };
    audit::record(&mut tx, client, change).await?;
    let message = match reset {
        1 => "1 document is tried again".to_owned(),
        many => format!("{many} documents are tried again"),
    };
    let reset_count = i64::try_from(reset).unwrap_or(i64::MAX);
    let response = RetryResponse { reset_count, pending_count, operation_id: Some(operation.id), message };
    let answer = tx.commit(StatusCode::OK, &response).await?;
    dispatch(state, operation.id).await;
    Ok(answer)
}
