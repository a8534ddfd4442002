//! Retries documents that could not be indexed.

use access::{Begun, Caller, Granted, Idempotency, IdempotentTx};
use axum::extract::State as Shared;
use axum::response::Response;
use dispatch::{Initiator, LockedCollection, StartOperation, lock_collection};
use domain::{CollectionId, DocumentId, DocumentStatus, ErrorKind, OperationId, OperationType};
use http::StatusCode;
use lambda::http::{ApiError, ApiPath, ApiQuery, ClientInfo};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::find::find;
use crate::State;

/// The documents that are retried.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RetryResponse {
    /// Documents that this request retries.
    reset_count: i64,
    /// Documents of the collection that are waiting to be indexed.
    pending_count: i64,
    /// The operation that retries them; null if there are none.
    #[schema(value_type = Option<Uuid>)]
    operation_id: Option<OperationId>,
    /// A summary for users.
    #[schema(example = "retrying 3 documents")]
    message: String,
}

/// How to retry.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RetryQuery {
    /// Whether to read bytes again that could not be read. They fail for the same reason, unless the program was
    /// upgraded or a setting changed since.
    #[param(default = false)]
    force: Option<bool>,
}

/// Retry a document
///
/// Indexes a document that failed or whose operation was cancelled. Its staged bytes are used if there are
/// any; otherwise its source is read. A document whose staged bytes could not be read is refused, unless `force` is set.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/documents/{document_id}/retry", operation_id = "retryDocument", tag = "documents",
    params(("collection_id" = Uuid, Path), ("document_id" = Uuid, Path), RetryQuery),
    responses((status = 200, body = RetryResponse)),
)]
pub(crate) async fn retry(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    idempotency: Idempotency,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, DocumentId)>,
    ApiQuery(query): ApiQuery<RetryQuery>,
) -> Result<Response, ApiError> {
    let tx = match idempotency.begin(&state.db, caller.principal.user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    let mut collection = lock_collection(tx, collection_id).await?;
    let document = find(collection.tx().documents(), collection_id, id).await?;
    if !matches!(document.status, DocumentStatus::Failed | DocumentStatus::Cancelled) {
        let status = document.status;
        let reason = format!("the document is {status}; only failed or cancelled documents can be retried");
        return Err(ApiError::new(ErrorKind::Conflict, reason));
    }
    let reads_again = query.force.unwrap_or(false);
    let counts = collection.tx().documents().count_unfinished(collection_id, Some(id)).await?;
    if counts.unreadable > 0 && !reads_again {
        let cause = document.error_message.as_deref().unwrap_or("its bytes cannot be read");
        let reason = format!(
            "retrying cannot help: {cause}; upload another version, or set `force` after an upgrade or a change of settings"
        );
        return Err(ApiError::new(ErrorKind::Conflict, reason));
    }
    let initiator = Initiator::Caller { actor: caller.actor(), client: &client };
    start(&state, initiator, collection, Some(id), reads_again).await
}

/// Retry all failed documents
///
/// Their staged bytes are used if there are any; otherwise their sources are read. Documents whose staged bytes could
/// not be read are left out, unless `force` is set. Without documents to retry, no operation is started.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/documents/retry-failed", operation_id = "retryFailedDocuments", tag = "documents",
    params(("collection_id" = Uuid, Path), RetryQuery),
    responses((status = 200, body = RetryResponse)),
)]
pub(crate) async fn retry_failed(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    idempotency: Idempotency,
    Granted(found): Granted,
    ApiQuery(query): ApiQuery<RetryQuery>,
) -> Result<Response, ApiError> {
    let collection_id = found.collection.id;
    let reads_again = query.force.unwrap_or(false);
    let tx = match idempotency.begin(&state.db, caller.principal.user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    let mut collection = lock_collection(tx, collection_id).await?;
    let counts = collection.tx().documents().count_unfinished(collection_id, None).await?;
    if counts.failed == 0 || (counts.failed == counts.unreadable && !reads_again) {
        let message = match counts.failed {
            0 => "the collection has no failed documents".to_owned(),
            _ => format!("nothing to retry; {}", left_out(counts.unreadable)),
        };
        let nothing =
            RetryResponse { reset_count: 0, pending_count: counts.pending, operation_id: None, message };
        return collection.into_tx().commit(StatusCode::OK, &nothing).await;
    }
    let initiator = Initiator::Caller { actor: caller.actor(), client: &client };
    start(&state, initiator, collection, None, reads_again).await
}

/// Says how many documents are not retried, and what to do.
fn left_out(unreadable: i64) -> String {
    format!("left out because their bytes could not be read (set `force` after an upgrade): {unreadable}")
}

/// Starts the operation for one document, or for all failed ones.
async fn start(
    state: &State,
    initiator: Initiator<'_>,
    collection: LockedCollection<IdempotentTx>,
    only: Option<DocumentId>,
    reads_again: bool,
) -> Result<Response, ApiError> {
    let collection_id = collection.id();
    let operation =
        StartOperation { operation_type: OperationType::RetryDocuments, initiator, config: json!({}) };
    let (mut queued, operation) = collection.start(operation).await?;
    let reset = queued.tx().documents().retry(collection_id, only, operation.id, reads_again).await?;
    let counts = queued.tx().documents().count_unfinished(collection_id, None).await?;
    let details = json!({ "document_id": only, "count": reset });
    let audited = queued.audit("documents_retried", &details).await?;
    let mut message = match reset {
        1 => "retrying 1 document".to_owned(),
        many => format!("retrying {many} documents"),
    };
    // Those that are retried are pending by now.
    if only.is_none() && counts.unreadable > 0 {
        message = format!("{message}; {}", left_out(counts.unreadable));
    }
    let reset_count = i64::try_from(reset).unwrap_or(i64::MAX);
    let pending_count = counts.pending;
    let response = RetryResponse { reset_count, pending_count, operation_id: Some(operation.id), message };
    audited
        .commit_with(&state.db, &state.queues, async |tx: IdempotentTx| {
            tx.commit(StatusCode::OK, &response).await
        })
        .await
}
