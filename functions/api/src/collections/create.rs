//! Creates a collection.

use access::{Begun, Caller, Idempotency, IdempotentTx};
use axum::extract::State as Shared;
use axum::response::Response;
use chunking::Strategy;
use db::collections::NewCollection;
use dispatch::{Initiator, StartOperation, lock_collection};
use domain::{AccessLevel, CollectionId, ErrorKind, OperationType, Quantization, vector_store_name};
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ClientInfo, FieldErrors};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::fields::{self, ONE_TIME};
use super::index_settings::{self, CheckedIndex, RequestedIndex};
use super::response::CollectionResponse;
use crate::State;
use crate::openapi::words;
use crate::quotas::enforce;

/// A collection to create.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateCollectionRequest {
    /// 1 to 255 visible characters without `/ \ * ? < > : " |`; unique among the caller's collections. Stored in Unicode
    /// Normalization Form C.
    #[schema(min_length = 1, max_length = 255, example = "handbooks")]
    name: String,
    /// Description, at most 4000 characters; default none.
    #[schema(max_length = 4000)]
    description: Option<String>,
    /// One of the models that `GET /api/v2/system/info` lists; the default is the installation's.
    embedding_model: Option<String>,
    /// Data type of the stored vectors.
    #[schema(value_type = Option<words::Quantization>, default = "float16")]
    quantization: Option<String>,
    /// Tokens per chunk, from 16 to the model's limit; default 1000 or the model's limit, whichever is
    /// smaller.
    #[schema(minimum = 16)]
    chunk_size: Option<i64>,
    /// Tokens that a chunk shares with the previous one; default a fifth of `chunk_size`.
    #[schema(minimum = 0)]
    chunk_overlap: Option<i64>,
    /// How documents are split; see `GET /api/v2/chunking/strategies`.
    #[schema(value_type = Option<words::ChunkingStrategy>, default = "hybrid")]
    chunking_strategy: Option<String>,
    /// The strategy's parameters; see `GET /api/v2/chunking/strategies`. Others are refused.
    #[schema(value_type = Option<Object>)]
    chunking_config: Option<Map<String, Value>>,
    /// Whether the document's title and the headings above a chunk are put before its text when it is embedded and
    /// indexed, not when it is shown; its words are found by the file's name, too. Leaves up to 32 tokens less for
    /// chunks that are as long as the model reads; default true.
    contextualize: Option<bool>,
    /// Whether OCR reads images, and pages of PDF documents that have no text: 100 pages of a document at most, in 2 to 6
    /// seconds each. `true` is refused where the installation has no OCR. Default false.
    #[schema(default = false)]
    ocr: Option<bool>,
    /// Whether every signed-in user can read it; default false. API keys cannot create public collections.
    is_public: Option<bool>,
    /// Arbitrary JSON object of at most 16 KiB.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// `one_time`: sources are read when they are added; `continuous`: also on a schedule.
    #[schema(value_type = Option<words::SyncMode>, default = "one_time")]
    sync_mode: Option<String>,
    /// Minutes between two runs; required for a continuous collection.
    #[schema(minimum = 15, maximum = 525_600)]
    sync_interval_minutes: Option<i32>,
    /// Accepted for compatibility with v2 clients; has no effect.
    #[serde(rename = "default_reranker_id")]
    #[schema(value_type = Option<String>)]
    _default_reranker_id: Option<IgnoredAny>,
    /// Accepted for compatibility with v2 clients; has no effect.
    #[serde(rename = "extraction_config")]
    #[schema(value_type = Option<Object>)]
    _extraction_config: Option<IgnoredAny>,
    /// Accepted for compatibility with v2 clients; has no effect: every collection has sparse vectors.
    #[serde(rename = "sparse_index_config")]
    #[schema(value_type = Option<Object>)]
    _sparse_index_config: Option<IgnoredAny>,
    /// Accepted for compatibility with v2 clients; has no effect.
    #[serde(rename = "pipeline_config")]
    #[schema(value_type = Option<Object>)]
    _pipeline_config: Option<IgnoredAny>,
}

/// Create a collection
///
/// It accepts uploads and sources at once; they are indexed after the operation
/// `initial_operation_id` has set it up.
#[utoipa::path(
    post, path = "/api/v2/collections", operation_id = "createCollection", tag = "collections", request_body = CreateCollectionRequest,
    responses((status = 201, body = CollectionResponse)),
)]
pub(crate) async fn create(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    idempotency: Idempotency,
    ApiJson(request): ApiJson<CreateCollectionRequest>,
) -> Result<Response, ApiError> {
    if request.is_public == Some(true) {
        caller.require_user_session()?;
    }
    let (name, CheckedIndex { settings, strategy, model }) = check(&state, &request)?;
    let id = CollectionId(Uuid::new_v4());
    let owner_id = caller.principal.user_id;
    let vector_store_name = vector_store_name(id, &model.manifest.short_name, settings.quantization);
    let new = NewCollection {
        id,
        name: &name,
        description: request.description.as_deref(),
        owner_id,
        vector_store_name: &vector_store_name,
        settings: &settings,
        chunking_strategy: strategy.name(),
        chunking_config: &Value::Object(request.chunking_config.unwrap_or_default()),
        is_public: request.is_public.unwrap_or(false),
        meta: &Value::Object(request.metadata.unwrap_or_default()),
        sync_mode: request.sync_mode.as_deref().unwrap_or(ONE_TIME),
        sync_interval_minutes: request.sync_interval_minutes,
    };
    let mut tx = match idempotency.begin(&state.db, owner_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    let collection = match tx.collections().insert(&new).await {
        Ok(collection) => collection,
        Err(error) => return Err(fields::explain(error, new.name, true)),
    };
    enforce::check_collections(&mut tx, owner_id).await?;
    let initiator = Initiator::Caller { actor: caller.actor(), client: &client };
    let config = json!({
        "embedding_model": settings.embedding_model,
        "quantization": settings.quantization,
        "chunk_size": settings.chunks.chunk_size,
        "chunk_overlap": settings.chunks.chunk_overlap,
        "chunking_strategy": new.chunking_strategy,
        "chunking_config": new.chunking_config,
        "contextualize": settings.contextualize,
        "ocr": settings.ocr,
    });
    let details = json!({ "is_public": collection.is_public, "settings": config });
    let operation = StartOperation { operation_type: OperationType::Index, initiator, config };
    let (queued, operation) = lock_collection(tx, id).await?.start(operation).await?;
    let audited = queued.audit("collection_created", &details).await?;
    let mut response = CollectionResponse::new(collection, AccessLevel::Owner, 0);
    response.initial_operation_id = Some(operation.id);
    audited
        .commit_with(&state.db, &state.queues, async |tx: IdempotentTx| {
            tx.commit(StatusCode::CREATED, &response).await
        })
        .await
}

/// Validates the request, and returns the name as it is stored and the model.
fn check(state: &State, request: &CreateCollectionRequest) -> Result<(String, CheckedIndex), ApiError> {
    let mut errors = FieldErrors::default();
    let name = fields::check_name(&mut errors, &request.name);
    if let Some(description) = &request.description {
        fields::check_description(&mut errors, description);
    }
    let sync_mode = request.sync_mode.as_deref().unwrap_or(ONE_TIME);
    fields::check_sync(&mut errors, sync_mode, request.sync_interval_minutes);
    if let Some(metadata) = &request.metadata {
        fields::check_metadata(&mut errors, metadata);
    }
    let requested = RequestedIndex {
        embedding_model: request.embedding_model.as_deref().unwrap_or(&state.limits.default_embedding_model),
        quantization: request.quantization.as_deref().unwrap_or(Quantization::Float16.as_str()),
        chunk_size: request.chunk_size,
        chunk_overlap: request.chunk_overlap,
        chunking_strategy: request.chunking_strategy.as_deref().unwrap_or(Strategy::default().name()),
        chunking_config: request.chunking_config.as_ref(),
        contextualize: request.contextualize.unwrap_or(true),
        ocr: request.ocr,
        has_ocr: false,
    };
    let checked = index_settings::check(&mut errors, state, requested);
    errors.finish()?;
    let checked =
        checked.ok_or_else(|| ApiError::new(ErrorKind::Invalid, "the index settings are invalid"))?;
    Ok((name, checked))
}
