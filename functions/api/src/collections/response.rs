//! Collections in responses.

use std::collections::HashMap;

use axum::Json;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use db::collections::{AccessibleCollection, Collection, CollectionDetails};
use domain::{AccessLevel, CollectionId, CollectionStatus, OperationId, Quantization, SyncRunStatus, UserId};
use lambda::http::{ApiError, ETag};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::fields;
use crate::openapi::words;
use crate::redaction;

/// A collection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CollectionResponse {
    #[schema(value_type = Uuid)]
    id: CollectionId,
    name: String,
    description: Option<String>,
    #[schema(value_type = i64)]
    owner_id: UserId,
    /// Name of its Qdrant collection.
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
    /// Documents that are not deleted.
    document_count: i64,
    vector_count: i64,
    total_size_bytes: i64,
    /// Documents that failed.
    error_count: i64,
    #[schema(schema_with = fields::sync_mode)]
    sync_mode: String,
    sync_interval_minutes: Option<i32>,
    sync_paused_at: Option<DateTime<Utc>>,
    sync_next_run_at: Option<DateTime<Utc>>,
    sync_last_run_started_at: Option<DateTime<Utc>>,
    sync_last_run_completed_at: Option<DateTime<Utc>>,
    #[schema(schema_with = words::optional_sync_run_status)]
    sync_last_run_status: Option<SyncRunStatus>,
    /// Errors of the last run by source; only for callers with write access.
    sync_last_error: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// The caller's access level.
    #[schema(schema_with = words::access)]
    access: AccessLevel,
    /// The operation that sets it up; only in the response to its creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub(crate) initial_operation_id: Option<OperationId>,
}

impl CollectionResponse {
    pub(crate) fn new(collection: Collection, access: AccessLevel, error_count: i64) -> Self {
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
            sync_last_error: redaction::redact_error(access, collection.sync_last_error),
            created_at: collection.created_at,
            updated_at: collection.updated_at,
            access,
            initial_operation_id: None,
        }
    }
}

/// Returns the response with the collection's ETag.
pub(crate) fn answer(
    found: AccessibleCollection,
    error_counts: &HashMap<CollectionId, i64>,
) -> Result<Response, ApiError> {
    let etag = ETag::of(&editable(&found.collection.details()))?;
    let error_count = error_counts.get(&found.collection.id).copied().unwrap_or(0);
    let body = CollectionResponse::new(found.collection, found.access, error_count);
    Ok((etag, Json(body)).into_response())
}

/// Returns the fields that clients can change; their hash is the ETag.
pub(crate) fn editable(details: &CollectionDetails) -> Value {
    json!({
        "name": details.name,
        "description": details.description,
        "is_public": details.is_public,
        "metadata": details.meta,
        "sync_mode": details.sync_mode,
        "sync_interval_minutes": details.sync_interval_minutes,
    })
}
