//! Handles the two messages of ScanQueue.

use std::sync::Arc;
use std::time::Instant;

use domain::ScanMessage;
use lambda::StageError;
use lambda::sqs::Delivery;

use crate::State;
use crate::operation::run_operation;
use crate::stage_items::stage_items;

/// Runs an operation, or stages some of its items.
///
/// # Errors
/// Returns a retryable error if the message must be delivered again.
pub async fn handle(state: Arc<State>, message: ScanMessage, delivery: Delivery) -> Result<(), StageError> {
    let started = Instant::now();
    let invocation = &delivery.invocation;
    match message {
        ScanMessage::RunOperation { operation_id } => {
            let outcome = run_operation(&state, operation_id, invocation).await?;
            tracing::info!(
                operation.id = %operation_id,
                outcome,
                ms = started.elapsed().as_millis(),
                "run message handled"
            );
        }
        ScanMessage::StageItems { operation_id, item_ids } => {
            let tally = stage_items(&state, operation_id, &item_ids, invocation).await?;
            tracing::info!(
                operation.id = %operation_id,
                items = item_ids.len(),
                staged = tally.staged,
                ended = tally.ended,
                deferred = tally.deferred,
                size_bytes = tally.size_bytes,
                copied_bytes = tally.copied_bytes,
                ms = started.elapsed().as_millis(),
                "stage message handled"
            );
        }
    }
    Ok(())
}
