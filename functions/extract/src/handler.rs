//! Extracts the text of one staged document.

use std::sync::Arc;
use std::time::Instant;

use db::operations::{ItemFailure, ItemWork, StagedVersion};
use dispatch::FailedDocument;
use domain::{ArtifactKey, ChunkDocument, ErrorCategory, ItemState};
use lambda::StageError;
use lambda::sqs::Delivery;

use crate::State;
use crate::parse::extract;
use crate::recognize::needs_recognize;

/// Extracts the text of the item's document. If that is there already, sends the document on.
///
/// # Errors
/// Returns a retryable error if the message must be delivered again.
pub async fn handle(state: Arc<State>, message: ChunkDocument, _: Delivery) -> Result<(), StageError> {
    let started = Instant::now();
    let found = state.db.connection().await?.operation_items().find_work(&[message.item_id]).await?;
    let Some(work) = found.into_iter().next() else {
        tracing::info!(item.id = %message.item_id, outcome = "gone", "extract message handled");
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
        "extract message handled"
    );
    Ok(())
}

/// Advances the item by one step. Returns what was done, for the log.
async fn advance(state: &State, work: &ItemWork) -> Result<&'static str, StageError> {
    let (ItemState::Staged, Some(staged)) = (work.state, work.staged) else {
        // A crash may have prevented it.
        dispatch::end_operation(&state.db, &state.queues, work.operation_id).await?;
        return Ok("done before");
    };
    if !work.is_wanted {
        dispatch::cancel_items(&state.db, &state.queues, work.operation_id, &[work.item_id]).await?;
        return Ok("cancelled");
    }
    let StagedVersion { document_id, generation, .. } = staged;
    let text = ArtifactKey::Text { collection_id: work.collection_id, document_id, generation };
    let outcome = if state.artifacts.head(&text).await?.is_some() {
        "sent again"
    } else {
        match needs_recognize(state, work, staged).await {
            Ok(false) => {}
            Ok(true) => {
                let message = ChunkDocument { operation_id: work.operation_id, item_id: work.item_id };
                state.queues.send_recognize(&[message]).await?;
                return Ok("sent to recognize");
            }
            Err(error) if error.is_retryable() => return Err(error),
            Err(error) => {
                fail(state, work, staged, &error).await?;
                return Ok("failed");
            }
        }
        match extract(state, work, staged).await {
            Ok(true) => "extracted",
            Ok(false) => return Ok("ended meanwhile"),
            Err(error) if error.is_retryable() => return Err(error),
            Err(error) => {
                fail(state, work, staged, &error).await?;
                return Ok("failed");
            }
        }
    };
    let message = ChunkDocument { operation_id: work.operation_id, item_id: work.item_id };
    state.queues.send_chunk(&[message]).await?;
    Ok(outcome)
}

/// Ends the item with a reason that the user can act on.
async fn fail(
    state: &State,
    work: &ItemWork,
    staged: StagedVersion,
    error: &StageError,
) -> Result<(), StageError> {
    dispatch::log_failed(FailedDocument {
        stage: "extract",
        operation_id: work.operation_id,
        item_id: work.item_id,
        document_id: Some(staged.document_id),
        reason: &error.chain(),
        category: ErrorCategory::Permanent,
    });
    let failure = ItemFailure::Failed { reason: error.reason(), category: ErrorCategory::Permanent };
    let mut tx = state.db.begin().await?;
    tx.operation_items().mark_failed(work.item_id, &failure).await?;
    tx.commit().await?;
    dispatch::end_operation(&state.db, &state.queues, work.operation_id).await?;
    Ok(())
}
