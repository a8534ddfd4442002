//! Chunks one staged document.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chunking::{ChunkingError, Strategy};
use db::operations::{ItemFailure, ItemWork, StagedVersion};
use dispatch::FailedDocument;
use domain::{ChunkDocument, EmbedBatch, ErrorCategory, ItemState};
use extraction::{Content, EmptyReason};
use lambda::StageError;
use lambda::sqs::Delivery;
use segmentation::DocumentSettings;

use crate::State;
use crate::stream::{ChunkedDocument, chunk_document};

const HEAD_START: Duration = Duration::from_secs(10);
const HEAD_START_PER_BATCH: Duration = Duration::from_secs(5);
const MAX_HEAD_START: Duration = Duration::from_secs(120);

/// Chunks the item's document. If it is chunked already, does the steps that may be missing.
///
/// # Errors
/// Returns a retryable error if the message must be delivered again.
pub async fn handle(state: Arc<State>, message: ChunkDocument, _: Delivery) -> Result<(), StageError> {
    let started = Instant::now();
    let found = state.db.connection().await?.operation_items().find_work(&[message.item_id]).await?;
    let Some(work) = found.into_iter().next() else {
        tracing::info!(item.id = %message.item_id, outcome = "gone", "chunk message handled");
        return Ok(());
    };
    let outcome = advance(&state, &work).await?;
    tracing::info!(
        operation.id = %work.operation_id,
        item.id = %work.item_id,
        document.id = work.staged.map(|staged| tracing::field::display(staged.document_id)),
        outcome,
        size_bytes = work.size_bytes,
        ms = started.elapsed().as_millis(),
        "chunk message handled"
    );
    Ok(())
}

/// Advances the item by one step. Returns what was done, for the log.
async fn advance(state: &State, work: &ItemWork) -> Result<&'static str, StageError> {
    // Items that have reached embed are cancelled there, where their points are deleted.
    if !work.is_wanted && work.state != ItemState::Chunked {
        dispatch::cancel_items(&state.db, &state.queues, work.operation_id, &[work.item_id]).await?;
        return Ok("cancelled");
    }
    match (work.state, work.staged) {
        (ItemState::Staged, Some(staged)) => chunk(state, work, staged).await,
        (ItemState::Chunked, _) => {
            send_batches(state, work, &work.missing_batches).await?;
            Ok("sent again")
        }
        // Not staged yet: scan sends another message when it is.
        (ItemState::Listed, _) | (ItemState::Staged, None) => Ok("too early"),
        _ => {
            dispatch::end_operation(&state.db, &state.queues, work.operation_id).await?;
            Ok("done before")
        }
    }
}

async fn chunk(state: &State, work: &ItemWork, staged: StagedVersion) -> Result<&'static str, StageError> {
    let document = match read_and_chunk(state, work, staged).await {
        Ok(Some(document)) => document,
        Ok(None) => {
            let message = ChunkDocument { operation_id: work.operation_id, item_id: work.item_id };
            state.queues.send_extract(&[message]).await?;
            return Ok("sent to extract");
        }
        Err(error) if error.is_retryable() => return Err(error),
        Err(error) => {
            let (reason, cause) = (error.reason(), error.chain());
            dispatch::log_failed(FailedDocument {
                stage: "chunk",
                operation_id: work.operation_id,
                item_id: work.item_id,
                document_id: Some(staged.document_id),
                reason: &cause,
                category: ErrorCategory::Permanent,
            });
            let failure = ItemFailure::Failed { reason, category: ErrorCategory::Permanent };
            end_unindexed(state, work, staged, &failure).await?;
            return Ok("failed");
        }
    };
    let reason = match document.summary.content {
        // Its warnings are about the files: a document that is not searchable shows none.
        Content::Empty(reason @ EmptyReason::OnlyFiles { .. }) => {
            let warnings = document.summary.warnings.iter().map(|warning| warning.message.clone());
            Some(std::iter::once(reason.to_string()).chain(warnings).collect::<Vec<_>>().join("; "))
        }
        Content::Empty(reason) => Some(reason.to_string()),
        Content::Text if document.chunk_count == 0 => Some("the file holds no text to search for".to_owned()),
        Content::Text => None,
    };
    if let Some(reason) = reason {
        end_unindexed(state, work, staged, &ItemFailure::Skipped { reason }).await?;
        return Ok("skipped");
    }
    let mut connection = state.db.connection().await?;
    let is_mine = connection
        .operation_items()
        .mark_chunked(work.item_id, document.chunk_count, document.batch_count, &document.summary.warnings)
        .await?;
    drop(connection);
    lambda::fault::point("chunk-committed");
    if is_mine {
        let batches: Vec<u32> = (0..document.batch_count).collect();
        match work.original {
            // Sent at once, both would be embedded: this one waits for the vectors of the other.
            Some(original) if original.is_open => {
                let messages = messages(work, &batches);
                state.queues.send_embed_after(head_start(document.batch_count), &messages).await?;
            }
            _ => send_batches(state, work, &batches).await?,
        }
    }
    Ok("chunked")
}

async fn read_and_chunk(
    state: &State,
    work: &ItemWork,
    staged: StagedVersion,
) -> Result<Option<ChunkedDocument>, StageError> {
    let model = state.models.require(&work.settings.embedding_model)?;
    let (chunks, contextualize) = (work.settings.chunks, work.settings.contextualize);
    let strategy = Strategy::parse_stored(&work.chunking_strategy, &work.chunking_config, chunks)
        .map_err(ChunkingError::from)?;
    let (file_name, media_type) = (&work.file_name, work.mime_type.as_deref());
    let settings =
        DocumentSettings::new(file_name, media_type, strategy, chunks, contextualize, &model.manifest)
            .with_title(work.title.clone());
    let tokens = state.tokens.get_or_open(&model, strategy)?;
    chunk_document(state, work.collection_id, staged, tokens, settings).await
}

async fn send_batches(state: &State, work: &ItemWork, missing: &[u32]) -> Result<(), StageError> {
    state.queues.send_embed(&messages(work, missing)).await?;
    Ok(())
}

/// Returns the messages of those batches that come first; embed sends the others when these are done.
fn messages(work: &ItemWork, missing: &[u32]) -> Vec<EmbedBatch> {
    let (operation_id, item_id) = (work.operation_id, work.item_id);
    EmbedBatch::first(missing).iter().map(|batch| EmbedBatch::new(operation_id, item_id, *batch)).collect()
}

/// Returns how long a document waits for another one with the same bytes to be embedded. If that takes
/// longer, both are embedded.
fn head_start(batch_count: u32) -> Duration {
    (HEAD_START + HEAD_START_PER_BATCH * batch_count).min(MAX_HEAD_START)
}

/// Ends the item without indexing its document.
async fn end_unindexed(
    state: &State,
    work: &ItemWork,
    staged: StagedVersion,
    failure: &ItemFailure,
) -> Result<(), StageError> {
    let mut tx = state.db.begin().await?;
    tx.operation_items().mark_failed(work.item_id, failure).await?;
    tx.commit().await?;
    if matches!(failure, ItemFailure::Skipped { .. }) && staged.searchable_generation.exists() {
        // The points of the previous generation are useless now; embed deletes them.
        send_batches(state, work, &[0]).await?;
    }
    dispatch::end_operation(&state.db, &state.queues, work.operation_id).await?;
    Ok(())
}
