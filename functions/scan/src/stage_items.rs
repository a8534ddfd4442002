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
        if work.state == ItemState::Listed && invocation.remaining() < ITEM_TIME {
            return Ok(Step::Deferred { id: work.item_id });
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
        stage_item(state, Context { operation, collection, sessions, item, document_id }, invocation)
    });
    let mut tally = run_steps(state, operation.id, steps.collect()).await?;
    removed?;
    if !removals.is_empty() {
        dispatch::end_operation(&state.db, &state.queues, operation.id).await?;
    }
    tally.ended += removals.len();
    Ok(tally)
}

async fn stage_item(
    state: &State,
    context: Context<'_>,
    invocation: &Invocation,
) -> Result<Step, StageError> {
    let Context { operation, collection, item, document_id, .. } = context;
    let bytes = Bytes::default();
    match item.state {
        ItemState::Listed if item.is_extracted => Ok(Step::Passed),
        ItemState::Listed if invocation.remaining() < ITEM_TIME => Ok(Step::Deferred { id: item.id }),
        ItemState::Listed => {
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
