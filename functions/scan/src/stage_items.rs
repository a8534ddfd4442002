//! Stages the items of one message.

use std::time::Duration;

use db::collections::Collection;
use db::operations::Operation;
use domain::{ItemId, ItemState, OperationId, OperationStatus, OperationType, SourceId, document_id};
use lambda::StageError;
use lambda::event::Invocation;

use crate::State;
use crate::context::Context;
use crate::copying::copy_item;
use crate::document::stage_document;
use crate::index::delete_points_before;
use crate::removal::remove_documents;
use crate::sessions::Sessions;
use crate::source::delete_unstaged;
use crate::steps::{Bytes, Step, Tally, run_steps};

/// With less time than this left, an item is left to another invocation.
const ITEM_TIME: Duration = Duration::from_secs(60);

/// An item of at least this size gets an invocation of its own, whose whole time and bandwidth it may need: 5 GiB need
/// 6 MB per second. Several in one invocation would be stopped together.
const LARGE_BYTES: i64 = 256 << 20;

/// Stages those of the items that are still to be staged; sends the messages of the others again.
///
/// # Errors
/// Returns a retryable error if the message must be delivered again. What was staged before is sent.
pub(crate) async fn stage_items(
    state: &State,
    operation_id: OperationId,
    ids: &[ItemId],
    invocation: &Invocation,
) -> Result<Tally, StageError> {
    let mut connection = state.db.connection().await?;
    let Some(operation) = connection.operations().find(operation_id).await? else {
        return Ok(Tally::default());
    };
    let Some(collection) = connection.collections().find_any(operation.collection_id).await? else {
        return Ok(Tally::default());
    };
    let is_wanted = operation.status == OperationStatus::Processing
        && operation.cancel_requested_at.is_none()
        && collection.deleted_at.is_none();
    if !is_wanted {
        drop(connection);
        let ended = dispatch::cancel_items(&state.db, &state.queues, operation_id, ids).await?;
        return Ok(Tally { ended, ..Tally::default() });
    }
    connection.operation_items().settle(operation_id, ids).await?;
    drop(connection);
    if operation.operation_type == OperationType::Reindex {
        copy_items(state, operation_id, ids, invocation).await
    } else {
        stage_listed(state, &operation, &collection, ids, invocation).await
    }
}

/// Copies the raw documents of a reindex's items.
async fn copy_items(
    state: &State,
    operation_id: OperationId,
    ids: &[ItemId],
    invocation: &Invocation,
) -> Result<Tally, StageError> {
    let works = state.db.connection().await?.operation_items().find_work(ids).await?;
    let steps = works.into_iter().map(|work| async move {
        if work.state == ItemState::Listed
            && let Some(deferred) = defer(work.item_id, work.size_bytes, ids.len(), invocation)
        {
            return Ok(deferred);
        }
        copy_item(state, &work).await
    });
    run_steps(state, operation_id, steps.collect()).await
}

/// Removes the documents of items that are removals, and stages those of the others.
async fn stage_listed(
    state: &State,
    operation: &Operation,
    collection: &Collection,
    ids: &[ItemId],
    invocation: &Invocation,
) -> Result<Tally, StageError> {
    let mut connection = state.db.connection().await?;
    let items = connection.operation_items().begin_staging(operation.id, ids).await?;
    let mut source_ids: Vec<SourceId> = items.iter().filter_map(|item| item.source_id).collect();
    source_ids.sort_unstable();
    source_ids.dedup();
    let sources = connection.collection_sources().find_many(&source_ids).await?;
    drop(connection);
    let (removals, items): (Vec<_>, Vec<_>) =
        items.into_iter().partition(|item| item.is_removal && item.state == ItemState::Listed);
    // If it fails, the other items are staged nevertheless; only the removals remain for the next delivery.
    let removed = remove_documents(state, collection, &removals).await;
    let sessions = &Sessions::new(&sources, &items);
    let steps = items.iter().map(|item| {
        let document_id = document_id(collection.id, &item.uri);
        let context = Context { operation, collection, sessions, item, document_id };
        stage_item(state, context, ids.len(), invocation)
    });
    let mut tally = run_steps(state, operation.id, steps.collect()).await?;
    removed?;
    if !removals.is_empty() {
        dispatch::end_operation(&state.db, &state.queues, operation.id).await?;
    }
    tally.ended += removals.len();
    Ok(tally)
}

/// Returns the step of an item, one of `items` in the message, if this invocation is not the one to stage it.
fn defer(id: ItemId, size_bytes: i64, items: usize, invocation: &Invocation) -> Option<Step> {
    let is_large = size_bytes >= LARGE_BYTES;
    ((is_large && items > 1) || invocation.remaining() < ITEM_TIME).then_some(Step::Deferred { id, is_large })
}

async fn stage_item(
    state: &State,
    context: Context<'_>,
    items: usize,
    invocation: &Invocation,
) -> Result<Step, StageError> {
    let Context { operation, collection, item, document_id, .. } = context;
    let bytes = Bytes::default();
    match item.state {
        ItemState::Listed if item.is_extracted => Ok(Step::Passed),
        ItemState::Listed => {
            if let Some(deferred) = defer(item.id, item.size_bytes, items, invocation) {
                return Ok(deferred);
            }
            if !state.db.connection().await?.operations().is_wanted(operation.id).await? {
                dispatch::cancel_items(&state.db, &state.queues, operation.id, &[item.id]).await?;
                return Ok(Step::Ended { bytes });
            }
            let step = stage_document(state, &context).await?;
            delete_unstaged(state, &context).await?;
            Ok(step)
        }
        // A crash may have prevented the deletion and the message after the commit.
        ItemState::Staged if item.is_extracted => {
            delete_points_before(state, collection, document_id, item.generation).await?;
            Ok(Step::Staged { id: item.id, bytes })
        }
        ItemState::Staged => {
            delete_unstaged(state, &context).await?;
            Ok(Step::Staged { id: item.id, bytes })
        }
        ItemState::Chunked => Ok(Step::Passed),
        ItemState::Duplicate | ItemState::Skipped => {
            delete_unstaged(state, &context).await?;
            delete_points_before(state, collection, document_id, item.generation).await?;
            Ok(Step::Ended { bytes })
        }
        _ => Ok(Step::Ended { bytes }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_item_gets_an_invocation_of_its_own() {
        let deferred = |size_bytes, items, seconds| {
            let invocation = Invocation::lasting(Duration::from_secs(seconds));
            match defer(ItemId(1), size_bytes, items, &invocation) {
                Some(Step::Deferred { is_large, .. }) => Some(is_large),
                _ => None,
            }
        };
        assert_eq!(deferred(1000, 25, 900), None);
        assert_eq!(deferred(1000, 25, 30), Some(false));
        assert_eq!(deferred(5 << 30, 2, 900), Some(true));
        assert_eq!(deferred(5 << 30, 1, 900), None);
        assert_eq!(deferred(5 << 30, 1, 30), Some(true), "with the whole time of another one");
    }
}
