//! Deletes a collection.

use access::{Caller, Granted};
use axum::extract::State as Shared;
use chrono::Utc;
use dispatch::{Initiator, StartOperation, lock_collection};
use domain::OperationType;
use http::{HeaderValue, StatusCode, header};
use lambda::http::{ApiError, ClientInfo};
use serde_json::json;

use crate::State;

/// Delete a collection
///
/// It disappears at once; an operation deletes its vectors and files, and then the collection with
/// itself. `Location` is that operation's URL.
#[utoipa::path(
    delete, path = "/api/v2/collections/{collection_id}", operation_id = "deleteCollection", tag = "collections",
    params(("collection_id" = Uuid, Path)),
    responses((status = 204, description = "Deleted.", headers(("Location" = String, description = "The operation that deletes vectors and files.")))),
)]
pub(crate) async fn delete(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
) -> Result<(StatusCode, [(header::HeaderName, HeaderValue); 1]), ApiError> {
    let id = found.collection.id;
    let initiator = Initiator::Caller { actor: caller.actor(), client: &client };
    let mut collection = lock_collection(state.db.begin().await?, id).await?;
    if !collection.tx().collections().mark_deleted(id, Utc::now()).await? {
        return Err(ApiError::not_found("collection", id));
    }
    let config = json!({ "vector_store_name": found.collection.vector_store_name });
    let operation = StartOperation { operation_type: OperationType::Delete, initiator, config };
    let (queued, operation) = collection.start(operation).await?;
    let details = json!({ "document_count": found.collection.document_count });
    let audited = queued.audit("collection_deleted", &details).await?;
    audited.commit_with(&state.db, &state.queues, |tx| tx.commit()).await?;
    let location = HeaderValue::from_str(&format!("/api/v2/operations/{}", operation.id))
        .unwrap_or(HeaderValue::from_static("/api/v2/operations"));
    Ok((StatusCode::NO_CONTENT, [(header::LOCATION, location)]))
}
