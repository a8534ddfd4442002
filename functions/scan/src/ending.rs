//! Operations that end before they are done.

use std::time::Duration;

use db::operations::{AbandonedItem, Operation};
use domain::{ErrorCategory, ItemId, OperationType, ScanMessage};
use futures_util::{StreamExt, TryStreamExt, stream};
use lambda::StageError;
use lambda::event::Invocation;

use crate::{State, rebuild};

/// Items whose points are taken back at a time.
const PAGE: i64 = 500;

/// Calls to Qdrant that are on their way at once.
const CALLS_IN_FLIGHT: usize = 4;

/// With less time than this left, another invocation goes on.
const RESERVE: Duration = Duration::from_secs(30);

/// Ends everything that is open in an operation that is not wanted any more, and then itself.
pub(crate) async fn cancel(
    state: &State,
    operation: &Operation,
    invocation: &Invocation,
) -> Result<&'static str, StageError> {
    let mut tx = state.db.begin().await?;
    tx.operations().cancel_open_items(operation.id).await?;
    tx.commit().await?;
    let outcome = delete_orphaned_points(state, operation, invocation).await?;
    dispatch::end_operation(&state.db, &state.queues, operation.id).await?;
    Ok(outcome)
}

/// Ends an operation that cannot go on, with the reason.
pub(crate) async fn fail(
    state: &State,
    operation: &Operation,
    reason: &str,
    invocation: &Invocation,
) -> Result<&'static str, StageError> {
    tracing::warn!(operation.id = %operation.id, reason, "operation failed");
    let mut tx = state.db.begin().await?;
    let finished = tx.operations().mark_failed(operation.id, reason, ErrorCategory::Permanent).await?;
    tx.commit().await?;
    if let Some(finished) = finished {
        dispatch::start_next(&state.db, &state.queues, finished.collection_id).await?;
    }
    delete_orphaned_points(state, operation, invocation).await
}

/// Deletes the points of versions that the operation's end made useless. Those of a reindex go with
/// the index that they are in, which sweep drops.
pub(crate) async fn delete_orphaned_points(
    state: &State,
    operation: &Operation,
    invocation: &Invocation,
) -> Result<&'static str, StageError> {
    let mut connection = state.db.connection().await?;
    let collection = connection.collections().find_any(operation.collection_id).await?;
    drop(connection);
    let Some(collection) = collection else {
        return Ok("ended early");
    };
    if operation.operation_type == OperationType::Rebuild {
        rebuild::take_back(state, operation, &collection).await?;
        return Ok("ended early");
    }
    // With the collection its points go too.
    if collection.deleted_at.is_some() {
        return Ok("ended early");
    }
    let mut after = ItemId(0);
    loop {
        let mut connection = state.db.connection().await?;
        let page = connection.operation_items().list_abandoned(operation.id, after, PAGE).await?;
        drop(connection);
        let Some(last) = page.last() else {
            return Ok("ended early");
        };
        after = last.id;
        let calls = stream::iter(page).map(|item| {
            let name = &collection.vector_store_name;
            let AbandonedItem { document_id, generation, .. } = item;
            async move { state.vectors.delete_generation(name, document_id, generation).await }
        });
        calls.buffer_unordered(CALLS_IN_FLIGHT).try_collect::<Vec<()>>().await?;
        if invocation.remaining() < RESERVE {
            state.queues.send_scan(&[ScanMessage::RunOperation { operation_id: operation.id }]).await?;
            return Ok("ended early, points are left to take back");
        }
    }
}
