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

use crate::openapi::words;
use crate::redaction;

/// A collection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CollectionResponse {
    /// Identifies the collection.
    #[schema(value_type = Uuid)]
    id: CollectionId,
    /// Name, unique among the owner's collections.
    name: String,
    /// Description, if set.
    description: Option<String>,
    /// The owner.
    #[schema(value_type = i64)]
    owner_id: UserId,
    /// Name of its Qdrant collection.
    vector_store_name: String,
    /// Name of the embedding model.
    embedding_model: String,
    /// Quantization of the vectors.
    #[schema(value_type = words::Quantization)]
    quantization: Quantization,
    /// Maximum chunk size in tokens.
    chunk_size: u32,
    /// Overlap of consecutive chunks in tokens.
    chunk_overlap: u32,
    /// Name of the chunking strategy.
    #[schema(value_type = words::ChunkingStrategy)]
    chunking_strategy: String,
    /// Parameters of the chunking strategy.
    #[schema(value_type = Object)]
    chunking_config: Value,
    /// Whether title and headings are put before a chunk's text when it is embedded and indexed.
    contextualize: bool,
    /// Whether OCR reads images and pages without text.
    ocr: bool,
    /// Whether every signed-in user can read the collection.
    is_public: bool,
    /// Arbitrary JSON object set by clients; left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    /// State of the collection.
    #[schema(value_type = words::CollectionStatus)]
    status: CollectionStatus,
    /// Explanation of the state, if any.
    status_message: Option<String>,
    /// Documents that are not deleted.
    document_count: i64,
    /// Number of points in the index.
    vector_count: i64,
    /// Total size of the documents in bytes.
    total_size_bytes: i64,
    /// Documents that failed.
    error_count: i64,
    /// Whether sources are read once or continuously.
    #[schema(value_type = words::SyncMode)]
    sync_mode: String,
    /// Interval between sync runs in minutes, for `continuous`.
    sync_interval_minutes: Option<i32>,
    /// When scheduled sync runs were paused; `null` if they are not.
    sync_paused_at: Option<DateTime<Utc>>,
    /// When the next sync run starts; `null` if none is scheduled.
    sync_next_run_at: Option<DateTime<Utc>>,
    /// When the last sync run started; `null` before the first one.
    sync_last_run_started_at: Option<DateTime<Utc>>,
    /// When the last completed sync run ended; `null` before that.
    sync_last_run_completed_at: Option<DateTime<Utc>>,
    /// Status of the last sync run; `null` before the first one.
    #[schema(value_type = Option<words::SyncRunStatus>)]
    sync_last_run_status: Option<SyncRunStatus>,
    /// Errors of the last run by source; only for callers with write access.
    sync_last_error: Option<String>,
    /// When the collection was created.
    created_at: DateTime<Utc>,
    /// When the collection was last changed.
    updated_at: DateTime<Utc>,
    /// The caller's access level.
    #[schema(value_type = words::AccessLevel)]
    access: AccessLevel,
    /// The operation that sets it up; only in the response to its creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub(crate) initial_operation_id: Option<OperationId>,
}

impl CollectionResponse {
    /// Returns an entry of a list: a hundred collections with their metadata could exceed the largest response.
    pub(crate) fn in_list(collection: Collection, access: AccessLevel, error_count: i64) -> Self {
        Self { metadata: None, ..Self::new(collection, access, error_count) }
    }

    /// Returns the collection with everything that the caller may see.
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
            contextualize: settings.contextualize,
            ocr: settings.ocr,
            is_public: collection.is_public,
            metadata: Some(collection.meta),
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
