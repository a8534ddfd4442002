//! Deletes, purges and restores documents.

use access::{Begun, Caller, Granted, Idempotency, IdempotentTx};
use axum::extract::State as Shared;
use axum::response::Response;
use db::Tx;
use db::documents::Document;
use dispatch::{Initiator, LockedCollection, Queued, StartOperation, lock_collection};
use domain::{
    AccessLevel, Actor, CollectionId, DocumentId, DocumentStatus, ErrorKind, OperationId, OperationType,
};
use http::{HeaderName, HeaderValue, StatusCode, header};
use lambda::http::{ApiError, ApiPath, ApiQuery, ClientInfo};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::find::find;
use crate::State;
use crate::operations::response::OperationResponse;

/// How to delete a document.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteDocumentQuery {
    /// Whether to erase the document for good instead of keeping it to be restored; requires admin access.
    #[serde(default)]
    #[param(default = false)]
    purge: bool,
}

/// Delete a document
///
/// Removes the document from lists and search results at once, and its vectors with the operation in
/// `Location`. Its bytes are kept for `DeletedDocumentRetention` days, during which it can be restored; they count
/// against the storage quota. With `purge=true`, which also works for a deleted document, it cannot be restored:
/// within minutes after the operation has ended, its bytes, chunks, vectors, name and metadata are erased everywhere,
/// and it answers 404. An audit entry without its name remains (`document_purged`). What was uploaded before the
/// request does not bring the document back; a later upload creates a new one.
///
/// Documents that are in it (`container_id`) are deleted and purged with it.
/// Documents with the same bytes stay. Reading its source again does not restore it; restoring or
/// uploading it does.
#[utoipa::path(
    delete, path = "/api/v2/collections/{collection_id}/documents/{document_id}", operation_id = "deleteDocument", tag = "documents",
    params(("collection_id" = Uuid, Path), ("document_id" = Uuid, Path), DeleteDocumentQuery),
    responses(
        (status = 202, description = "The document is being purged.", headers(("Location" = String, description = "The operation that deletes the vectors."))),
        (status = 204, description = "Deleted.", headers(("Location" = String, description = "The operation that deletes the vectors."))),
    ),
)]
pub(crate) async fn delete(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    granted: Granted,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, DocumentId)>,
    ApiQuery(DeleteDocumentQuery { purge }): ApiQuery<DeleteDocumentQuery>,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1]), ApiError> {
    if purge {
        granted.require(AccessLevel::Admin)?;
    }
    let mut collection = lock_collection(state.db.begin().await?, collection_id).await?;
    let document = find(collection.tx().documents(), collection_id, id).await?;
    let removal = Removal { state: &state, actor: caller.actor(), client: &client, purge };
    removal.remove(collection, document).await
}

/// The removal of a document.
pub(super) struct Removal<'a> {
    pub(super) state: &'a State,
    pub(super) actor: Actor,
    pub(super) client: &'a ClientInfo,
    /// Whether to erase it for good.
    pub(super) purge: bool,
}

impl Removal<'_> {
    /// Deletes or purges the document, and commits.
    ///
    /// # Errors
    /// Returns 404 if it is deleted, and not to be purged.
    pub(super) async fn remove(
        self,
        mut collection: LockedCollection<Tx>,
        document: Document,
    ) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1]), ApiError> {
        let Self { state, actor, client, purge } = self;
        let id = document.id;
        let initiator = Initiator::Caller { actor, client };
        let is_new = collection.tx().documents().mark_deleted(id).await?;
        if purge {
            if !collection.tx().documents().request_purge(id, actor).await? {
                // Requested before.
                let latest = collection.tx().operation_items().find_latest_of_document(id).await?;
                dispatch::arm_sweep(&state.queues).await;
                collection.into_tx().commit().await?;
                return Ok((StatusCode::ACCEPTED, [location(latest.map(|item| item.operation_id))]));
            }
        } else if !is_new {
            return Err(ApiError::not_found("document", id));
        }
        let (mut queued, operation_id) = start_removal(collection, initiator).await?;
        queued.tx().operation_items().insert_removals(operation_id, &[id]).await?;
        let (action, details, status) = if purge {
            let details = json!({ "document_id": id, "status": document.status });
            ("document_purge_requested", details, StatusCode::ACCEPTED)
        } else {
            let details = json!({ "document_id": id, "uri": document.uri, "status": document.status });
            ("document_deleted", details, StatusCode::NO_CONTENT)
        };
        let audited = queued.audit(action, &details).await?;
        audited.commit_with(&state.db, &state.queues, |tx| tx.commit()).await?;
        Ok((status, [location(Some(operation_id))]))
    }
}

/// Starts the operation that deletes the vectors of deleted documents. Consecutive deletions share one.
pub(crate) async fn start_removal<'a>(
    mut collection: LockedCollection<Tx>,
    initiator: Initiator<'a>,
) -> Result<(Queued<'a, Tx>, OperationId), ApiError> {
    let id = collection.id();
    if let Some(operation_id) = collection.tx().operations().lock_pending_removal(id).await? {
        return Ok((collection.join(initiator, operation_id), operation_id));
    }
    let operation =
        StartOperation { operation_type: OperationType::RemoveDocuments, initiator, config: json!({}) };
    let (queued, operation) = collection.start(operation).await?;
    Ok((queued, operation.id))
}

/// The `Location` of an operation; of all, if there is none.
pub(super) fn location(operation_id: Option<OperationId>) -> (HeaderName, HeaderValue) {
    let operation = operation_id.map(|id| HeaderValue::from_str(&format!("/api/v2/operations/{id}")));
    let all = HeaderValue::from_static("/api/v2/operations");
    (header::LOCATION, operation.and_then(Result::ok).unwrap_or(all))
}

/// Restore a deleted document
///
/// The document is listed again at once, and searchable when the operation has completed. Its staged bytes
/// are indexed; its source is not read. Documents that were deleted with it, because they are in it, come back, too.
/// A document that was gone from its source is kept from now on, as
/// a document without a source.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/documents/{document_id}/restore", operation_id = "restoreDocument", tag = "documents",
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
        let reason = match document.status {
            DocumentStatus::Deleted => "the document is being purged; upload it again".to_owned(),
            status => format!("the document is {status}; only deleted documents can be restored"),
        };
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
