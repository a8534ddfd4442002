//! Which of its two tasks a message brings.

use std::sync::Arc;
use std::time::Instant;

use domain::ScanMessage;
use lambda::StageError;
use lambda::sqs::Delivery;

use crate::State;
use crate::operation::run_operation;
use crate::staging::stage_items;

/// Runs an operation, or stages some of its items.
///
/// # Errors
/// When the message should be delivered again.
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
            let outcome = stage_items(&state, operation_id, &item_ids, invocation).await?;
            tracing::info!(
                operation.id = %operation_id,
                items = item_ids.len(),
                staged = outcome.staged,
                ended = outcome.ended,
                put_off = outcome.put_off,
                size_bytes = outcome.size_bytes,
                ms = started.elapsed().as_millis(),
                "stage message handled"
            );
        }
    }
    Ok(())
}
