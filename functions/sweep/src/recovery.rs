//! The steps of a run.

use std::time::{Duration, Instant};

use chrono::Utc;
use db::operations::StallAges;
use domain::{
    CheckUploads, ChunkDocument, Dependency, EmbedBatch, ItemId, ItemState, OperationId, ScanMessage,
    UploadId,
};
use lambda::StageError;
use lambda::event::Invocation;
use lambda::metric::{self, Metric};
use queue::Stage;
use serde::Serialize;

use crate::erasure::{self, Erased};
use crate::retention::{Removed, retain};
use crate::{State, embed_jobs, integrity, retired_indexes, syncs};

/// Rows of each kind that one invocation handles at most; the next one continues.
const MAX_OPERATIONS: i64 = 500;
const MAX_UPLOADS: i64 = 500;
const MAX_COLLECTIONS: i64 = 100;
const MAX_DELIVERIES: usize = 2000;

/// Items that are read and sent together.
const PAGE: i64 = 1000;

/// Items and uploads in one message.
const PER_MESSAGE: usize = 25;

/// With less time left than this, no further page is read.
const RESERVE: Duration = Duration::from_secs(10);

/// The event of an upload counts as missing after this.
pub(crate) const EVENT_DELAY_SECS: i64 = 120;
/// For this long, such uploads are checked in every run: one or two may be missed.
pub(crate) const EVENT_WINDOW_SECS: i64 = 180;

/// What one invocation did.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Done {
    operations_dispatched: usize,
    items_listed_sent: usize,
    items_staged_sent: usize,
    items_chunked_sent: usize,
    items_ended_sent: usize,
    operations_finished: usize,
    syncs_started: usize,
    syncs_settled: usize,
    removals_queued: usize,
    duplicates_queued: usize,
    uploads_checked: usize,
    embed_jobs_submitted: usize,
    deliveries_sent: usize,
    indexes_dropped: usize,
    erased: Erased,
    pub(crate) collections_checked: usize,
    removed: Removed,
    pub(crate) failed_steps: Vec<&'static str>,
}

impl Done {
    /// Whether more collections are due for their integrity check than one run checks.
    pub(crate) fn has_more_to_check(&self) -> bool {
        self.collections_checked >= integrity::MAX_COLLECTIONS.unsigned_abs().try_into().unwrap_or(usize::MAX)
    }
}

/// Runs every step, even if others fail.
pub(crate) async fn run_steps(state: &State, invocation: &Invocation) -> Done {
    let started = Instant::now();
    let mut done = Done::default();
    let mut failed = Vec::new();
    let mut note = |step: &'static str, result: Result<(), StageError>| {
        if let Err(error) = result {
            let dependency = error.dependency().map(Dependency::as_str);
            if let Some(dependency) = dependency {
                metric::add_of(Metric::DependencyErrors, &[dependency], 1);
            }
            tracing::error!(
                step,
                dependency,
                error = error.chain(),
                "a step failed; the next invocation retries it"
            );
            failed.push(step);
        }
    };
    let dispatched = dispatch(state, &mut done).await;
    let is_database_down =
        matches!(&dispatched, Err(error) if error.dependency() == Some(Dependency::Database));
    note("dispatch", dispatched);
    if is_database_down {
        // Each of the other steps would wait for it, too, until Lambda stops the function without any metric.
        metric::add(Metric::SweepFailedSteps, failed.len());
        done.failed_steps = failed;
        tracing::error!("the database is unreachable; the other steps are left to the next invocation");
        return done;
    }
    note(
        "listed items",
        resend(state, invocation, ItemState::Listed, Stage::Scan, &mut done.items_listed_sent).await,
    );
    note("waiting items", send_waiting(state, &mut done.items_listed_sent).await);
    note(
        "staged items",
        resend(state, invocation, ItemState::Staged, Stage::Chunk, &mut done.items_staged_sent).await,
    );
    note(
        "chunked items",
        resend(state, invocation, ItemState::Chunked, Stage::Embed, &mut done.items_chunked_sent).await,
    );
    note("orphaned points", resend_ended(state, &mut done.items_ended_sent).await);
    note("embed jobs", embed_jobs::submit(state, &mut done.embed_jobs_submitted).await);
    note("finish", finish(state, &mut done).await);
    note("sync runs", syncs::settle(state, &mut done.syncs_settled).await);
    note("schedule", syncs::start_due(state, &mut done.syncs_started).await);
    note("unfinished removals", requeue_removals(state, &mut done).await);
    note("documents without points", index_duplicates(state, &mut done).await);
    note("uploads", check_uploads(state, &mut done).await);
    note("retired indexes", retired_indexes::drop_due(state, &mut done.indexes_dropped).await);
    note("retention", retain(state, invocation, &mut done.removed).await);
    note("oldest open item", measure_oldest(state).await);
    note("integrity", integrity::check_due(state, invocation, &mut done.collections_checked).await);
    note("webhooks", send_deliveries(state, &mut done.deliveries_sent).await);
    note("deleted documents", erasure::queue_expired(state, &mut done.erased).await);
    // Last: what is left of the time.
    note("erasures", erasure::erase_due(state, invocation, &mut done.erased).await);
    metric::add(Metric::SweepFailedSteps, failed.len());
    done.failed_steps = failed;
    tracing::info!(
        operations_dispatched = done.operations_dispatched,
        items_listed_sent = done.items_listed_sent,
        items_staged_sent = done.items_staged_sent,
        items_chunked_sent = done.items_chunked_sent,
        items_ended_sent = done.items_ended_sent,
        operations_finished = done.operations_finished,
        syncs_started = done.syncs_started,
        syncs_settled = done.syncs_settled,
        removals_queued = done.removals_queued,
        duplicates_queued = done.duplicates_queued,
        uploads_checked = done.uploads_checked,
        embed_jobs_submitted = done.embed_jobs_submitted,
        deliveries_sent = done.deliveries_sent,
        indexes_dropped = done.indexes_dropped,
        objects_erased = done.erased.objects,
        documents_purged = done.erased.purged,
        collections_checked = done.collections_checked,
        rows_removed = done.removed.total(),
        failed_steps = done.failed_steps.len(),
        ms = started.elapsed().as_millis(),
        "sweep finished"
    );
    done
}

/// Records how long the oldest document of an open operation has been waiting; 0 without any.
async fn measure_oldest(state: &State) -> Result<(), StageError> {
    let age = state.db.connection().await?.operations().oldest_open_age().await?;
    metric::observe(Metric::OldestOpenItem, age.as_secs_f64());
    Ok(())
}

/// Dispatches operations whose message seems lost: pending ones whose turn it is, and listings that
/// stopped.
async fn dispatch(state: &State, done: &mut Done) -> Result<(), StageError> {
    let stall_timeouts = state.stall_timeouts;
    let mut connection = state.db.connection().await?;
    let overdue = connection
        .operations()
        .list_overdue(stall_timeouts.pending, stall_timeouts.listing, MAX_OPERATIONS)
        .await?;
    drop(connection);
    dispatch::dispatch(&state.db, &state.queues, &overdue).await?;
    done.operations_dispatched = overdue.len();
    Ok(())
}

/// Sends the messages of stalled items again, those that the queue does not hold any more.
async fn resend(
    state: &State,
    invocation: &Invocation,
    item_state: ItemState,
    stage: Stage,
    sent: &mut usize,
) -> Result<(), StageError> {
    let timeouts = state.stall_timeouts;
    let is_empty = state.queues.depth(stage).await? == 0;
    // A document that needs a parser goes from chunk to extract, perhaps to recognize, and back.
    let is_only_queue = stage != Stage::Chunk
        || state.queues.depth(Stage::Extract).await? == 0
            && (!state.has_recognize || state.queues.depth(Stage::Recognize).await? == 0);
    let ages = StallAges {
        queue_is_empty: (is_empty && is_only_queue).then_some(timeouts.item),
        overtaken: is_only_queue.then_some(timeouts.overtaken_item),
        nothing_moves: timeouts.queued_item,
    };
    let mut after = ItemId(0);
    while invocation.remaining() > RESERVE {
        let mut connection = state.db.connection().await?;
        let page = connection.operation_items().list_stalled(item_state, ages, after, PAGE).await?;
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
                    let message = |batch| EmbedBatch::new(item.operation_id, item.id, batch);
                    EmbedBatch::first(&item.missing_batches).into_iter().map(message)
                });
                state.queues.send_embed(&messages.collect::<Vec<_>>()).await?;
            }
            Stage::Intake | Stage::Scan | Stage::Extract | Stage::Recognize | Stage::Notify => {
                let items = page.iter().map(|item| (item.operation_id, item.id));
                state.queues.send_scan(&stage_messages(items)).await?;
            }
        }
        state.db.connection().await?.operation_items().mark_dispatched(&ids).await?;
        *sent += ids.len();
    }
    Ok(())
}

/// Has operations go on whose items are all waiting: whoever ended the last one was stopped before it sent the next ones.
async fn send_waiting(state: &State, sent: &mut usize) -> Result<(), StageError> {
    let starved = state.db.connection().await?.operations().list_starved(MAX_OPERATIONS).await?;
    for operation_id in starved {
        *sent += dispatch::send_next_items(&state.db, &state.queues, operation_id).await?;
    }
    Ok(())
}

/// Sends messages about items that have ended to embed, which deletes the points that they left: whoever was
/// to do that was stopped, or its message was lost.
async fn resend_ended(state: &State, sent: &mut usize) -> Result<(), StageError> {
    let is_idle = state.queues.depth(Stage::Embed).await? == 0;
    let age = if is_idle { state.stall_timeouts.item } else { state.stall_timeouts.queued_item };
    let mut connection = state.db.connection().await?;
    let items = connection.operation_items().list_with_orphaned_points(age, PAGE).await?;
    drop(connection);
    let message =
        |(operation_id, item_id): &(OperationId, ItemId)| EmbedBatch::new(*operation_id, *item_id, 0);
    state.queues.send_embed(&items.iter().map(message).collect::<Vec<_>>()).await?;
    let ids: Vec<ItemId> = items.iter().map(|(_, id)| *id).collect();
    state.db.connection().await?.operation_items().mark_dispatched(&ids).await?;
    *sent = items.len();
    Ok(())
}

/// Groups items by operation, in messages of limited size.
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

/// Ends operations that have nothing left to do: the invocation that finished their last item was
/// stopped before it could end them.
async fn finish(state: &State, done: &mut Done) -> Result<(), StageError> {
    let finishable = state.db.connection().await?.operations().list_finishable(MAX_OPERATIONS).await?;
    for operation_id in finishable {
        if dispatch::end_operation(&state.db, &state.queues, operation_id).await? {
            done.operations_finished += 1;
        }
    }
    Ok(())
}

/// Starts operations for deleted documents whose points are left over, and for deleted collections that
/// still exist.
async fn requeue_removals(state: &State, done: &mut Done) -> Result<(), StageError> {
    let (db, age) = (&state.db, state.stall_timeouts.unpurged);
    let mut committed = dispatch::queue_unpurged(db, &state.queues, age, MAX_COLLECTIONS, PAGE).await?;
    committed.extend(dispatch::queue_unfinished_deletions(db, &state.queues, age, MAX_COLLECTIONS).await?);
    done.removals_queued = committed.len();
    dispatch::dispatch_all(db, &state.queues, committed).await
}

/// Starts operations that give points to documents that earlier versions recorded as duplicates.
async fn index_duplicates(state: &State, done: &mut Done) -> Result<(), StageError> {
    let committed = dispatch::queue_without_points(&state.db, &state.queues, MAX_COLLECTIONS, PAGE).await?;
    done.duplicates_queued = committed.len();
    dispatch::dispatch_all(&state.db, &state.queues, committed).await
}

/// Has intake check uploads whose event is missing, whose presigned URL has expired, whose announcer has lost
/// access, or whose object is left over.
async fn check_uploads(state: &State, done: &mut Done) -> Result<(), StageError> {
    let now = Utc::now();
    let seconds = chrono::TimeDelta::seconds;
    let mut connection = state.db.connection().await?;
    let ids = connection
        .uploads()
        .list_unsettled(
            now - state.stall_timeouts.expired_upload,
            now - seconds(EVENT_DELAY_SECS + EVENT_WINDOW_SECS),
            now - seconds(EVENT_DELAY_SECS),
            MAX_UPLOADS,
        )
        .await?;
    drop(connection);
    let request = |ids: &[UploadId]| CheckUploads { check_uploads: ids.to_vec() };
    state.queues.send_intake(&ids.chunks(PER_MESSAGE).map(request).collect::<Vec<_>>()).await?;
    done.uploads_checked = ids.len();
    Ok(())
}

/// Sends the messages of deliveries to webhooks that are due: the next attempt, or one whose message was lost.
async fn send_deliveries(state: &State, sent: &mut usize) -> Result<(), StageError> {
    *sent = dispatch::send_due_deliveries(&state.db, &state.queues, MAX_DELIVERIES).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_sent_with_their_operation_in_messages_of_limited_size() {
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
