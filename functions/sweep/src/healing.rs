//! What happens every minute.

use std::time::{Duration, Instant};

use chrono::Utc;
use domain::{
    CheckUploads, ChunkDocument, EmbedBatch, ItemId, ItemState, OperationId, ScanMessage, UploadId,
};
use lambda::StageError;
use lambda::event::Invocation;
use queue::Stage;
use serde::Serialize;

use crate::retention::{Removed, retain};
use crate::{State, embed_jobs, syncs, vector_stores};

/// The most that one run looks at of each kind; the next run goes on.
const MOST_OPERATIONS: i64 = 500;
const MOST_UPLOADS: i64 = 500;

/// Items that are looked up, and sent, at a time.
const PAGE: i64 = 1000;

/// Items and uploads in one message.
const PER_MESSAGE: usize = 25;

/// With less time than this left, no further page is begun.
const RESERVE: Duration = Duration::from_secs(10);

/// An upload's event has had time to come after this.
const EVENT_DELAY_SECS: i64 = 120;
/// And is asked after for this long: a run or two may be missed.
const EVENT_WINDOW_SECS: i64 = 180;

/// What one run did.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Done {
    operations_dispatched: usize,
    items_listed_sent: usize,
    items_staged_sent: usize,
    items_chunked_sent: usize,
    operations_finished: usize,
    syncs_started: usize,
    syncs_settled: usize,
    removals_queued: usize,
    uploads_asked_after: usize,
    embed_jobs_submitted: usize,
    vector_stores_dropped: usize,
    removed: Removed,
    failed_steps: Vec<&'static str>,
}

/// Runs every step, whatever becomes of the others.
pub(crate) async fn heal(state: &State, invocation: &Invocation) -> Done {
    let started = Instant::now();
    let mut done = Done::default();
    let mut failed = Vec::new();
    let mut note = |step: &'static str, result: Result<(), StageError>| {
        if let Err(error) = result {
            tracing::error!(step, error = error.chain(), "a step of sweep failed; the next run tries again");
            failed.push(step);
        }
    };
    note("dispatch", dispatch(state, &mut done).await);
    note(
        "listed items",
        resend(state, invocation, ItemState::Listed, Stage::Scan, &mut done.items_listed_sent).await,
    );
    note(
        "staged items",
        resend(state, invocation, ItemState::Staged, Stage::Chunk, &mut done.items_staged_sent).await,
    );
    note(
        "chunked items",
        resend(state, invocation, ItemState::Chunked, Stage::Embed, &mut done.items_chunked_sent).await,
    );
    note("embed jobs", embed_jobs::submit(state, &mut done.embed_jobs_submitted).await);
    note("finish", finish(state, &mut done).await);
    note("sync runs", syncs::settle(state, &mut done.syncs_settled).await);
    note("schedule", syncs::start_due(state, &mut done.syncs_started).await);
    note("left-overs", queue_unpurged(state, &mut done).await);
    note("uploads", ask_after_uploads(state, &mut done).await);
    note("vector stores", vector_stores::drop_due(state, &mut done.vector_stores_dropped).await);
    note("retention", retain(state, invocation, &mut done.removed).await);
    done.failed_steps = failed;
    tracing::info!(
        operations_dispatched = done.operations_dispatched,
        items_listed_sent = done.items_listed_sent,
        items_staged_sent = done.items_staged_sent,
        items_chunked_sent = done.items_chunked_sent,
        operations_finished = done.operations_finished,
        syncs_started = done.syncs_started,
        syncs_settled = done.syncs_settled,
        removals_queued = done.removals_queued,
        uploads_asked_after = done.uploads_asked_after,
        embed_jobs_submitted = done.embed_jobs_submitted,
        vector_stores_dropped = done.vector_stores_dropped,
        rows_removed = done.removed.total(),
        failed_steps = done.failed_steps.len(),
        ms = started.elapsed().as_millis(),
        "swept"
    );
    done
}

/// Operations whose turn it is, and listings that stopped.
async fn dispatch(state: &State, done: &mut Done) -> Result<(), StageError> {
    let stall_timeouts = state.stall_timeouts;
    let mut connection = state.db.connection().await?;
    let overdue = connection
        .operations()
        .list_overdue(stall_timeouts.pending, stall_timeouts.listing, MOST_OPERATIONS)
        .await?;
    drop(connection);
    dispatch::dispatch(&state.db, &state.queues, &overdue).await?;
    done.operations_dispatched = overdue.len();
    Ok(())
}

/// Items whose message seems lost. While the stage's queue holds messages theirs may be among
/// them, so they get much more time.
async fn resend(
    state: &State,
    invocation: &Invocation,
    item_state: ItemState,
    stage: Stage,
    sent: &mut usize,
) -> Result<(), StageError> {
    let is_idle = state.queues.depth(stage).await? == 0;
    let age = if is_idle { state.stall_timeouts.item } else { state.stall_timeouts.queued_item };
    let mut after = ItemId(0);
    while invocation.remaining() > RESERVE {
        let mut connection = state.db.connection().await?;
        let page = connection.operation_items().list_stalled(item_state, age, after, PAGE).await?;
        drop(connection);
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.id;
        let ids: Vec<ItemId> = page.iter().map(|item| item.id).collect();
        match stage {
            Stage::Chunk => {
                let message = |item: &db::operations::StalledItem| ChunkDocument {
                    operation_id: item.operation_id,
                    item_id: item.id,
                };
                state.queues.send_chunk(&page.iter().map(message).collect::<Vec<_>>()).await?;
            }
            Stage::Embed => {
                let messages = page.iter().flat_map(|item| {
                    item.missing_batches.iter().map(|batch| EmbedBatch {
                        operation_id: item.operation_id,
                        item_id: item.id,
                        batch: *batch,
                    })
                });
                state.queues.send_embed(&messages.collect::<Vec<_>>()).await?;
            }
            Stage::Intake | Stage::Scan => {
                let items = page.iter().map(|item| (item.operation_id, item.id));
                state.queues.send_scan(&stage_messages(items)).await?;
            }
        }
        state.db.connection().await?.operation_items().mark_dispatched(&ids).await?;
        *sent += ids.len();
    }
    Ok(())
}

/// Items by operation, in messages of limited size.
fn stage_messages(items: impl Iterator<Item = (OperationId, ItemId)>) -> Vec<ScanMessage> {
    let mut items: Vec<(OperationId, ItemId)> = items.collect();
    items.sort();
    let mut messages = Vec::new();
    for of_one in items.chunk_by(|(a, _), (b, _)| a == b) {
        for group in of_one.chunks(PER_MESSAGE) {
            let item_ids = group.iter().map(|(_, id)| *id).collect();
            messages.push(ScanMessage::StageItems { operation_id: group[0].0, item_ids });
        }
    }
    messages
}

/// Operations whose last finisher was stopped before it could say so.
async fn finish(state: &State, done: &mut Done) -> Result<(), StageError> {
    let finishable = state.db.connection().await?.operations().list_finishable(MOST_OPERATIONS).await?;
    for operation_id in finishable {
        if dispatch::end_operation(&state.db, &state.queues, operation_id).await? {
            done.operations_finished += 1;
        }
    }
    Ok(())
}

/// Deleted documents whose vectors nobody has taken away, and deleted collections that are still there.
async fn queue_unpurged(state: &State, done: &mut Done) -> Result<(), StageError> {
    let mut connection = state.db.connection().await?;
    let mut queued = connection.operations().queue_unpurged(state.stall_timeouts.unpurged, PAGE).await?;
    queued.extend(
        connection
            .operations()
            .queue_unfinished_deletions(state.stall_timeouts.unpurged, MOST_OPERATIONS)
            .await?,
    );
    drop(connection);
    dispatch::dispatch(&state.db, &state.queues, &queued).await?;
    done.removals_queued = queued.len();
    Ok(())
}

/// Uploads whose event may be lost, and those whose URL has run out: intake looks whether the
/// bytes are there.
async fn ask_after_uploads(state: &State, done: &mut Done) -> Result<(), StageError> {
    let now = Utc::now();
    let seconds = chrono::TimeDelta::seconds;
    let mut connection = state.db.connection().await?;
    let ids = connection
        .uploads()
        .list_unsettled(
            now - state.stall_timeouts.expired_upload,
            now - seconds(EVENT_DELAY_SECS + EVENT_WINDOW_SECS),
            now - seconds(EVENT_DELAY_SECS),
            MOST_UPLOADS,
        )
        .await?;
    drop(connection);
    let question = |ids: &[UploadId]| CheckUploads { check_uploads: ids.to_vec() };
    state.queues.send_intake(&ids.chunks(PER_MESSAGE).map(question).collect::<Vec<_>>()).await?;
    done.uploads_asked_after = ids.len();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_travel_with_their_own_operation_in_messages_of_limited_size() {
        let operation =
            |byte: u8| OperationId(format!("00000000-0000-0000-0000-0000000000{byte:02x}").parse().unwrap());
        let items = (0..60).map(|id| (operation(u8::try_from(id % 2).unwrap()), ItemId(id)));
        let messages = stage_messages(items);
        let mut seen = Vec::new();
        for message in &messages {
            let ScanMessage::StageItems { operation_id, item_ids } = message else { panic!("{message:?}") };
            assert!((1..=PER_MESSAGE).contains(&item_ids.len()));
            assert!(item_ids.iter().all(|id| operation(u8::try_from(id.0 % 2).unwrap()) == *operation_id));
            seen.extend(item_ids.iter().map(|id| id.0));
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..60).collect::<Vec<_>>());
        assert_eq!(messages.len(), 4);
    }
}
