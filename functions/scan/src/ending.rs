//! Ends operations early: cancelled or failed.

use std::time::Duration;

use db::operations::{AbandonedItem, Operation};
use domain::{ErrorCategory, ItemId, OperationType};
use futures_util::{StreamExt, TryStreamExt, stream};
use lambda::StageError;
use lambda::event::Invocation;

use crate::State;
use crate::rebuild::delete_unfinished_index;
use crate::work_list::continue_later;

/// Items whose points are deleted at a time.
const ITEMS_PER_PAGE: i64 = 500;

/// Concurrent calls to Qdrant.
const CONCURRENCY: usize = 4;

/// With less time than this left, another invocation continues.
const PAGE_TIME: Duration = Duration::from_secs(30);

/// Cancels the open items of an operation whose cancellation was requested, then ends it.
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

/// Ends an operation as failed, with the reason.
pub(crate) async fn fail(
    state: &State,
    operation: &Operation,
    error: &StageError,
    invocation: &Invocation,
) -> Result<&'static str, StageError> {
    tracing::warn!(operation.id = %operation.id, reason = error.chain(), "operation failed");
    let reason = error.reason();
    let mut tx = state.db.begin().await?;
    let finished = tx.operations().mark_failed(operation.id, &reason, ErrorCategory::Permanent).await?;
    tx.commit().await?;
    if let Some(finished) = finished {
        dispatch::start_next(&state.db, &state.queues, finished.collection_id).await?;
    }
    delete_orphaned_points(state, operation, invocation).await
}

/// Deletes the points of generations that will never become searchable, because the operation has ended.
/// Those of a reindex are in an index of their own, which sweep drops.
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
        delete_unfinished_index(state, operation, &collection).await?;
        return Ok("ended early");
    }
    // Deleting the collection deletes its points.
    if collection.deleted_at.is_some() {
        return Ok("ended early");
    }
    let mut after = ItemId(0);
    loop {
        let mut connection = state.db.connection().await?;
        let page = connection.operation_items().list_abandoned(operation.id, after, ITEMS_PER_PAGE).await?;
        drop(connection);
        let Some(last) = page.last() else {
            return Ok("ended early");
        };
        after = last.id;
        let ids: Vec<ItemId> = page.iter().map(|item| item.id).collect();
        let calls = stream::iter(page).map(|item| {
            let name = &collection.vector_store_name;
            let AbandonedItem { document_id, generation, .. } = item;
            async move { state.vectors.delete_generation(name, document_id, generation).await }
        });
        calls.buffer_unordered(CONCURRENCY).try_collect::<Vec<()>>().await?;
        state.db.connection().await?.operation_items().mark_points_deleted(&ids).await?;
        if invocation.remaining() < PAGE_TIME {
            continue_later(state, operation.id).await?;
            return Ok("ended early, orphaned points deleted in part");
        }
    }
}
