//! Collections: what one looks like, showing and deleting it.

pub(crate) mod create;
pub(crate) mod fields;
mod index_settings;
pub(crate) mod list;
pub(crate) mod reindex;
pub(crate) mod update;

use std::collections::HashMap;

use access::{Caller, Granted};
use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use db::collections::{AccessibleCollection, Collection, CollectionDetails};
use db::operations::NewOperation;
use domain::{
    AccessLevel, CollectionId, CollectionStatus, OperationId, OperationType, Quantization, SyncRunStatus,
    UserId,
};
use http::{HeaderValue, StatusCode, header};
use lambda::http::{ApiError, ClientInfo, ETag};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::State;
use crate::audit::{self, Change};
use crate::disclosure;
use crate::dispatch::dispatch;
use crate::openapi::words;

/// A collection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CollectionResponse {
    #[schema(value_type = Uuid)]
    id: CollectionId,
    name: String,
    description: Option<String>,
    #[schema(value_type = i64)]
    owner_id: UserId,
    /// The collection in Qdrant.
    vector_store_name: String,
    embedding_model: String,
    #[schema(schema_with = words::quantization)]
    quantization: Quantization,
    chunk_size: u32,
    chunk_overlap: u32,
    chunking_strategy: String,
    #[schema(value_type = Object)]
    chunking_config: Value,
    is_public: bool,
    #[schema(value_type = Object)]
    metadata: Value,
    #[schema(schema_with = words::collection_status)]
    status: CollectionStatus,
    status_message: Option<String>,
    /// Live documents.
    document_count: i64,
    vector_count: i64,
    total_size_bytes: i64,
    /// Documents that failed.
    error_count: i64,
    #[schema(schema_with = words::sync_mode)]
    sync_mode: String,
    sync_interval_minutes: Option<i32>,
    sync_paused_at: Option<DateTime<Utc>>,
    sync_next_run_at: Option<DateTime<Utc>>,
    sync_last_run_started_at: Option<DateTime<Utc>>,
    sync_last_run_completed_at: Option<DateTime<Utc>>,
    #[schema(schema_with = words::optional_sync_run_status)]
    sync_last_run_status: Option<SyncRunStatus>,
    /// What went wrong in the last run, source by source, for those who may write to the collection.
    sync_last_error: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// What the caller may do with it.
    #[schema(schema_with = words::access)]
    access: AccessLevel,
    /// The operation that sets it up; only in the answer to its creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    initial_operation_id: Option<OperationId>,
}

impl CollectionResponse {
    fn new(collection: Collection, access: AccessLevel, error_count: i64) -> Self {
        let settings = collection.settings;
        Self {
            id: collection.id,
            name: collection.name,
            description: collection.description,
            owner_id: collection.owner_id,
            vector_store_name: collection.vector_store_name,
            embedding_model: settings.embedding_model,
            quantization: settings.quantization,
            chunk_size: settings.chunks.chunk_size,
            chunk_overlap: settings.chunks.chunk_overlap,
            chunking_strategy: collection.chunking_strategy,
            chunking_config: collection.chunking_config,
            is_public: collection.is_public,
            metadata: collection.meta,
            status: collection.status,
            status_message: collection.status_message,
            document_count: collection.document_count,
            vector_count: collection.vector_count,
            total_size_bytes: collection.total_size_bytes,
            error_count,
            sync_mode: collection.sync_mode,
            sync_interval_minutes: collection.sync_interval_minutes,
            sync_paused_at: collection.sync_paused_at,
            sync_next_run_at: collection.sync_next_run_at,
            sync_last_run_started_at: collection.sync_last_run_started_at,
            sync_last_run_completed_at: collection.sync_last_run_completed_at,
            sync_last_run_status: collection.sync_last_run_status,
            sync_last_error: disclosure::reason(access, collection.sync_last_error),
            created_at: collection.created_at,
            updated_at: collection.updated_at,
            access,
            initial_operation_id: None,
        }
    }
}

/// Show a collection
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}", tag = "collections",
    params(("collection_id" = Uuid, Path)),
    responses((
        status = 200, body = CollectionResponse,
        headers(("ETag" = String, description = "The version of what can be changed, for `If-Match`.")),
    )),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    Granted(found): Granted,
) -> Result<Response, ApiError> {
    let mut connection = state.db.connection().await?;
    let error_counts = connection.collections().error_counts(&[found.collection.id]).await?;
    answer(found, &error_counts)
}

/// Delete a collection
///
/// It is gone for everybody at once; its vectors and files follow. `Location` leads to the
/// operation that removes them, which goes with the collection.
#[utoipa::path(
    delete, path = "/api/v2/collections/{collection_id}", tag = "collections",
    params(("collection_id" = Uuid, Path)),
    responses(
        (status = 204, description = "It is gone.", headers(("Location" = String, description = "The operation that tidies up."))),
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

/// The collection with its version.
pub(crate) fn answer(
    found: AccessibleCollection,
    error_counts: &HashMap<CollectionId, i64>,
) -> Result<Response, ApiError> {
    let etag = ETag::of(&editable(&found.collection.details()))?;
    let error_count = error_counts.get(&found.collection.id).copied().unwrap_or(0);
    let body = CollectionResponse::new(found.collection, found.access, error_count);
    Ok((etag, Json(body)).into_response())
}

/// What of a collection can be changed, as clients name it.
fn editable(details: &CollectionDetails) -> Value {
    json!({
        "name": details.name,
        "description": details.description,
        "is_public": details.is_public,
        "metadata": details.meta,
        "sync_mode": details.sync_mode,
        "sync_interval_minutes": details.sync_interval_minutes,
    })
}
