//! Indexing a collection anew, and going back.

use access::{Begun, Caller, Granted, Idempotency, IdempotentTx};
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use chunking::known_parameters;
use db::collections::{Collection, Rollback};
use db::operations::Operations;
use dispatch::{Initiator, StartOperation, lock_collection};
use domain::{ErrorKind, OperationType};
use http::StatusCode;
use lambda::http::{ApiError, ApiOptionalJson, ClientInfo, Problem};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::index_settings::{self, AskedIndex, CheckedIndex};
use super::response::{CollectionResponse, answer};
use crate::State;
use crate::audit::{self, Change};
use crate::openapi::words;
use crate::operations::response::OperationResponse;
use crate::validation::Checks;

/// What the new index is to look like. What is left out stays as it is. Fields that this version does
/// not know are passed over.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct ReindexRequest {
    /// One of those that `GET /api/v2/system/info` lists.
    embedding_model: Option<String>,
    /// Precision of the stored vectors.
    #[schema(schema_with = words::optional_quantization)]
    quantization: Option<String>,
    /// Tokens in a chunk, 16 up to what the model reads. Where it is left out and another model reads
    /// less than the chunks have now, it is what that model reads or 1000, the smaller.
    #[schema(minimum = 16)]
    chunk_size: Option<i64>,
    /// Tokens that a chunk repeats of the one before it; with another `chunk_size` the default is a
    /// fifth of that.
    #[schema(minimum = 0)]
    chunk_overlap: Option<i64>,
    /// Where documents are cut; `GET /api/v2/chunking/strategies` says more of each.
    #[schema(schema_with = words::optional_chunking_strategy)]
    chunking_strategy: Option<String>,
    /// The strategy's parameters, all of them; another strategy begins with its own defaults.
    #[schema(value_type = Option<Object>)]
    chunking_config: Option<Map<String, Value>>,
}

/// Index a collection anew
///
/// With another model, another precision, other chunks, or as it is. A second index is filled from
/// what is staged of the documents; no source is read. Searches are answered from the old one until
/// the new one is whole and has been checked; then one step changes all settings. If a document
/// cannot be indexed anew, the operation fails and says which one, and everything stays as it was.
/// What is uploaded meanwhile waits and comes into the new index.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/reindex", tag = "collections",
    params(("collection_id" = Uuid, Path)),
    request_body = Option<ReindexRequest>,
    responses(
        (status = 202, body = OperationResponse),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "The body is no JSON."),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The collection is being indexed anew already."),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "The body is too large."),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "A field is wrong; `errors` names it."),
    ),
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

/// Go back to the index before the last reindex
///
/// It is kept for a day after it was replaced, or as long as the operator says. The collection has
/// its old settings again at once. Not where something was indexed since that the old index lacks;
/// what was deleted since stays deleted.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/reindex/rollback", tag = "collections",
    params(("collection_id" = Uuid, Path)),
    responses(
        (status = 200, body = CollectionResponse),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "No old index is kept, the old one lacks something, or an operation is running."),
    ),
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
            return conflict("there is no earlier index to go back to; reindex instead".to_owned());
        }
        Rollback::Busy => {
            return conflict(
                "an operation is running, or a reindex waits; wait until it has ended or cancel it"
                    .to_owned(),
            );
        }
        Rollback::Changed(documents) => {
            let documents = match documents {
                1 => "1 document was".to_owned(),
                many => format!("{many} documents were"),
            };
            return conflict(format!(
                "{documents} indexed or changed since that the earlier index lacks; reindex instead"
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
    tx.commit().await?;
    Ok(answer(now, &error_counts)?.into_response())
}

/// The settings of the new index, all of them: what the request leaves out is as it is now.
fn resolve(state: &State, collection: &Collection, request: &ReindexRequest) -> Result<Value, ApiError> {
    let now = &collection.settings;
    let embedding_model = request.embedding_model.as_deref().unwrap_or(&now.embedding_model);
    let strategy = request.chunking_strategy.as_deref().unwrap_or(&collection.chunking_strategy);
    // Chunks stay as long as they are where the model reads that much.
    let limit = state.models.require(embedding_model).map_or(u32::MAX, |model| model.manifest.max_tokens);
    let same_size = (now.chunks.chunk_size <= limit).then_some(i64::from(now.chunks.chunk_size));
    let chunk_size = request.chunk_size.or(same_size);
    let same_overlap =
        (chunk_size == Some(i64::from(now.chunks.chunk_size))).then_some(i64::from(now.chunks.chunk_overlap));
    // Another strategy does not know the parameters of this one.
    let kept = if strategy == collection.chunking_strategy {
        known_parameters(strategy, &collection.chunking_config)
    } else {
        Map::new()
    };
    let config = request.chunking_config.as_ref().unwrap_or(&kept);
    let mut checks = Checks::default();
    let asked = AskedIndex {
        embedding_model,
        quantization: request.quantization.as_deref().unwrap_or(now.quantization.as_str()),
        chunk_size,
        chunk_overlap: request.chunk_overlap.or(same_overlap),
        chunking_strategy: strategy,
        chunking_config: Some(config),
    };
    let resolved = index_settings::check(&mut checks, state, asked);
    checks.finish()?;
    let Some(CheckedIndex { settings, strategy, .. }) = resolved else {
        return Err(ApiError::new(ErrorKind::Invalid, "these settings cannot be used"));
    };
    Ok(json!({
        "embedding_model": settings.embedding_model,
        "quantization": settings.quantization,
        "chunk_size": settings.chunks.chunk_size,
        "chunk_overlap": settings.chunks.chunk_overlap,
        "chunking_strategy": strategy.name(),
        "chunking_config": config,
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
    })
}
