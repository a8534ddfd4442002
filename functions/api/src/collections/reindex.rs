//! Reindexes a collection, and rolls a reindex back.

use access::{Begun, Caller, Granted, Idempotency, IdempotentTx};
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use chunking::known_parameters;
use db::collections::{Collection, Rollback};
use db::operations::Operations;
use dispatch::{Initiator, StartOperation, lock_collection};
use domain::{ErrorKind, OperationType};
use http::StatusCode;
use lambda::http::{ApiError, ApiOptionalJson, ClientInfo, FieldErrors};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::index_settings::{self, CheckedIndex, RequestedIndex};
use super::response::{CollectionResponse, answer};
use crate::State;
use crate::audit::{self, Change};
use crate::openapi::words;
use crate::operations::response::OperationResponse;

/// Settings of the new index. Absent fields keep their values.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct ReindexRequest {
    /// One of the models that `GET /api/v2/system/info` lists.
    embedding_model: Option<String>,
    /// Data type of the stored vectors.
    #[schema(value_type = Option<words::Quantization>)]
    quantization: Option<String>,
    /// Tokens per chunk, from 16 to the model's limit. If absent and the current size exceeds the limit
    /// of a new model, 1000 or that limit, whichever is smaller.
    #[schema(minimum = 16)]
    chunk_size: Option<i64>,
    /// Tokens that a chunk shares with the previous one; if `chunk_size` changes, the default is a fifth
    /// of it.
    #[schema(minimum = 0)]
    chunk_overlap: Option<i64>,
    /// How documents are split; see `GET /api/v2/chunking/strategies`.
    #[schema(value_type = Option<words::ChunkingStrategy>)]
    chunking_strategy: Option<String>,
    /// All parameters of the strategy; another strategy starts with its defaults.
    #[schema(value_type = Option<Object>)]
    chunking_config: Option<Map<String, Value>>,
    /// Whether title and headings are put before a chunk's text when it is embedded and indexed.
    contextualize: Option<bool>,
    /// Whether OCR reads images, and pages of PDF documents that have no text. If it is turned on, PDF documents are
    /// extracted anew; if it is turned off, the text that it has read stays. Documents that failed for want of OCR are not
    /// part of a reindex: retry them afterwards, with `force`.
    ocr: Option<bool>,
    /// Accepted for compatibility with v2 clients; has no effect: a reindex includes all documents.
    #[serde(rename = "force")]
    #[schema(value_type = Option<bool>)]
    _force: Option<IgnoredAny>,
    /// Accepted for compatibility with v2 clients; has no effect.
    #[serde(rename = "only_failed")]
    #[schema(value_type = Option<bool>)]
    _only_failed: Option<IgnoredAny>,
}

/// Reindex a collection
///
/// With another model, vector data type or chunking, or with the same settings. A second index is built
/// from the staged documents; no source is read. Searches use the old index until the new one is
/// complete and verified; then index and settings are swapped in one step. If a document cannot be
/// indexed, the operation fails, names it, and changes nothing. Uploads that arrive meanwhile are
/// indexed afterwards, into the new index.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/reindex", operation_id = "startReindex", tag = "collections",
    params(("collection_id" = Uuid, Path)),
    request_body = Option<ReindexRequest>,
    responses((status = 202, body = OperationResponse)),
)]
pub(crate) async fn start(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    idempotency: Idempotency,
    Granted(found): Granted,
    ApiOptionalJson(request): ApiOptionalJson<ReindexRequest>,
) -> Result<Response, ApiError> {
    let collection = &found.collection;
    let config = resolve(&state, collection, &request)?;
    let tx = match idempotency.begin(&state.db, caller.principal.user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    let details = audit::difference(&settings_of(collection), &config);
    let initiator = Initiator::Caller { actor: caller.actor(), client: &client };
    let operation = StartOperation { operation_type: OperationType::Reindex, initiator, config };
    let started = lock_collection(tx, collection.id).await?.start(operation).await;
    let (queued, operation) = started.map_err(|error| {
        if error.constraint() != Some(Operations::ONE_REINDEX) {
            return ApiError::from(error);
        }
        let reason = "a reindex of this collection is pending or running; wait for it or cancel it";
        ApiError::new(ErrorKind::Conflict, reason)
    })?;
    let audited = queued.audit("reindex_requested", &details).await?;
    let response = OperationResponse::fresh(operation);
    audited
        .commit_with(&state.db, &state.queues, async |tx: IdempotentTx| {
            tx.commit(StatusCode::ACCEPTED, &response).await
        })
        .await
}

/// Roll back the last reindex
///
/// The replaced index is kept for a day, or as long as the operator configures. Index and settings are
/// swapped at once. Refused if documents were indexed since that the old index lacks; documents that
/// were deleted since stay deleted.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/reindex/rollback", operation_id = "rollBackReindex", tag = "collections",
    params(("collection_id" = Uuid, Path)),
    responses((status = 200, body = CollectionResponse)),
)]
pub(crate) async fn roll_back(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
) -> Result<Response, ApiError> {
    let before = &found.collection;
    let mut tx = state.db.begin().await?;
    let conflict = |reason: String| Err(ApiError::new(ErrorKind::Conflict, reason));
    let replaced = match tx.collections().roll_back(before.id).await? {
        Rollback::Done { replaced, .. } => replaced,
        Rollback::NothingKept => {
            return conflict("no earlier index is kept; reindex instead".to_owned());
        }
        Rollback::Busy => {
            return conflict(
                "an operation is running or a reindex is pending; wait until it has ended or cancel it"
                    .to_owned(),
            );
        }
        Rollback::Changed(documents) => {
            let documents = match documents {
                1 => "1 document was".to_owned(),
                many => format!("{many} documents were"),
            };
            return conflict(format!(
                "{documents} indexed or changed since the last reindex, and the earlier index lacks them; reindex instead"
            ));
        }
    };
    let now = tx.collections().find_accessible(before.id, &caller.principal).await?;
    let now = now.ok_or_else(|| ApiError::not_found("collection", before.id))?;
    let mut details = audit::difference(&settings_of(before), &settings_of(&now.collection));
    details["replaced"] = json!(replaced);
    let change = Change {
        action: "reindex_rolled_back",
        actor: caller.actor(),
        collection: Some((before.id, &before.name)),
        operation_id: None,
        details,
    };
    audit::record(&mut tx, &client, change).await?;
    let error_counts = tx.collections().error_counts(&[before.id]).await?;
    dispatch::arm_sweep(&state.queues).await;
    tx.commit().await?;
    Ok(answer(now, &error_counts)?.into_response())
}

/// Returns all settings of the new index: absent fields have their current values.
fn resolve(state: &State, collection: &Collection, request: &ReindexRequest) -> Result<Value, ApiError> {
    let now = &collection.settings;
    let embedding_model = request.embedding_model.as_deref().unwrap_or(&now.embedding_model);
    let strategy = request.chunking_strategy.as_deref().unwrap_or(&collection.chunking_strategy);
    // Chunks keep their size if the model's limit allows it.
    let limit = state.models.require(embedding_model).map_or(u32::MAX, |model| model.manifest.max_tokens);
    let same_size = (now.chunks.chunk_size <= limit).then_some(i64::from(now.chunks.chunk_size));
    let chunk_size = request.chunk_size.or(same_size);
    let same_overlap =
        (chunk_size == Some(i64::from(now.chunks.chunk_size))).then_some(i64::from(now.chunks.chunk_overlap));
    // The parameters of one strategy mean nothing to another.
    let kept = if strategy == collection.chunking_strategy {
        known_parameters(strategy, &collection.chunking_config)
    } else {
        Map::new()
    };
    let config = request.chunking_config.as_ref().unwrap_or(&kept);
    let mut errors = FieldErrors::default();
    let requested = RequestedIndex {
        embedding_model,
        quantization: request.quantization.as_deref().unwrap_or(now.quantization.as_str()),
        chunk_size,
        chunk_overlap: request.chunk_overlap.or(same_overlap),
        chunking_strategy: strategy,
        chunking_config: Some(config),
        contextualize: request.contextualize.unwrap_or(now.contextualize),
        ocr: request.ocr,
        has_ocr: now.ocr,
    };
    let resolved = index_settings::check(&mut errors, state, requested);
    errors.finish()?;
    let Some(CheckedIndex { settings, strategy, .. }) = resolved else {
        return Err(ApiError::new(ErrorKind::Invalid, "the index settings are invalid"));
    };
    Ok(json!({
        "embedding_model": settings.embedding_model,
        "quantization": settings.quantization,
        "chunk_size": settings.chunks.chunk_size,
        "chunk_overlap": settings.chunks.chunk_overlap,
        "chunking_strategy": strategy.name(),
        "chunking_config": config,
        "contextualize": settings.contextualize,
        "ocr": settings.ocr,
    }))
}

fn settings_of(collection: &Collection) -> Value {
    json!({
        "embedding_model": collection.settings.embedding_model,
        "quantization": collection.settings.quantization,
        "chunk_size": collection.settings.chunks.chunk_size,
        "chunk_overlap": collection.settings.chunks.chunk_overlap,
        "chunking_strategy": collection.chunking_strategy,
        "chunking_config": collection.chunking_config,
        "contextualize": collection.settings.contextualize,
        "ocr": collection.settings.ocr,
    })
}
