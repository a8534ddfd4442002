//! Deleting a collection.

use access::{Caller, Granted};
use axum::extract::State as Shared;
use chrono::Utc;
use db::operations::NewOperation;
use domain::{OperationId, OperationType};
use http::{HeaderValue, StatusCode, header};
use lambda::http::{ApiError, ClientInfo};
use serde_json::json;
use uuid::Uuid;

use crate::State;
use crate::audit::{self, Change};
use crate::dispatch::dispatch;

/// Delete a collection
///
/// It is gone for everybody at once; its vectors and files follow. `Location` leads to the
/// operation that removes them, which goes with the collection.
#[utoipa::path(
    delete, path = "/api/v2/collections/{collection_id}", tag = "collections",
    params(("collection_id" = Uuid, Path)),
    responses(
        (status = 204, description = "Deleted.", headers(("Location" = String, description = "The operation that deletes the vectors."))),
    ),
)]
pub(crate) async fn delete(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
) -> Result<(StatusCode, [(header::HeaderName, HeaderValue); 1]), ApiError> {
    let id = found.collection.id;
    let mut tx = state.db.begin().await?;
    if !tx.collections().mark_deleted(id, Utc::now()).await? {
        // Somebody else was faster.
        return Err(ApiError::not_found("collection", id));
    }
    let operation = NewOperation {
        id: OperationId(Uuid::new_v4()),
        collection_id: id,
        user_id: caller.principal.user_id,
        source_id: None,
        operation_type: OperationType::Delete,
        config: json!({ "vector_store_name": found.collection.vector_store_name }),
    };
    tx.operations().insert(&operation).await?;
    let change = Change {
        action: "collection_deleted",
        actor: caller.actor(),
        collection: Some((id, &found.collection.name)),
        operation_id: Some(operation.id),
        details: json!({ "document_count": found.collection.document_count }),
    };
    audit::record(&mut tx, &client, change).await?;
    tx.commit().await?;
    dispatch(&state, operation.id).await;
    let location = HeaderValue::from_str(&format!("/api/v2/operations/{}", operation.id))
        .unwrap_or(HeaderValue::from_static("/api/v2/operations"));
    Ok((StatusCode::NO_CONTENT, [(header::LOCATION, location)]))
}
