//! Runs the staging of several items concurrently and sends what follows from each.

use domain::{ChunkDocument, ItemId, OperationId, ScanMessage};
use futures_util::{StreamExt, stream};
use lambda::StageError;

use crate::State;

/// Documents that are staged concurrently. Each uses the memory of two parts of a multipart upload at most.
const CONCURRENCY: usize = 4;

/// SQS accepts this many messages in one call.
const MESSAGES_PER_CALL: usize = 10;

/// What was done with one item.
#[derive(Debug)]
pub(crate) enum Step {
    /// It is staged, now or before, and is to be chunked.
    Staged { id: ItemId, bytes: Bytes },
    /// It has ended: unchanged, skipped, failed or cancelled.
    Ended { bytes: Bytes },
    /// It is past this stage already.
    Passed,
    /// It is left to another invocation, because the time runs out; a large one to an invocation of its own.
    Deferred { id: ItemId, is_large: bool },
}

/// How much data one item has moved.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bytes {
    /// Bytes read through the function.
    pub(crate) read: u64,
    /// Bytes copied within S3.
    pub(crate) copied: u64,
}

/// What was done with the items of one message.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) staged: usize,
    pub(crate) ended: usize,
    pub(crate) deferred: usize,
    /// Bytes read through the function.
    pub(crate) size_bytes: u64,
    /// Bytes copied within S3.
    pub(crate) copied_bytes: u64,
}

impl Tally {
    fn count(&mut self, bytes: Bytes) {
        self.size_bytes += bytes.read;
        self.copied_bytes += bytes.copied;
    }
}

/// Runs the steps of all items; sends staged documents to be chunked and deferred items to be staged later;
/// ends the operation if its last item has ended.
///
/// # Errors
/// Returns the first error after all steps have run and their messages are sent, so that only the failed
/// items remain to be done.
pub(crate) async fn run_steps<S>(
    state: &State,
    operation_id: OperationId,
    steps: Vec<S>,
) -> Result<Tally, StageError>
where
    S: Future<Output = Result<Step, StageError>> + Send,
{
    let mut tally = Tally::default();
    let (mut to_chunk, mut deferred, mut large) = (Vec::new(), Vec::new(), Vec::new());
    let mut first_error = None;
    let mut steps = stream::iter(steps).buffer_unordered(CONCURRENCY);
    while let Some(step) = steps.next().await {
        match step {
            Ok(Step::Staged { id, bytes }) => {
                tally.staged += 1;
                tally.count(bytes);
                to_chunk.push(ChunkDocument { operation_id, item_id: id });
            }
            Ok(Step::Ended { bytes }) => {
                tally.ended += 1;
                tally.count(bytes);
            }
            Ok(Step::Passed) => {}
            Ok(Step::Deferred { id, is_large: false }) => deferred.push(id),
            Ok(Step::Deferred { id, is_large: true }) => large.push(vec![id]),
            Err(error) if first_error.is_none() => first_error = Some(error),
            Err(error) => tracing::warn!(error = error.chain(), "another item failed too"),
        }
        if to_chunk.len() == MESSAGES_PER_CALL {
            state.queues.send_chunk(&std::mem::take(&mut to_chunk)).await?;
        }
    }
    lambda::fault::point("scan-staged");
    state.queues.send_chunk(&to_chunk).await?;
    if tally.ended > 0 {
        dispatch::end_operation(&state.db, &state.queues, operation_id).await?;
    }
    // The redelivery of a message of which an item failed defers them again.
    if let Some(error) = first_error {
        return Err(error);
    }
    tally.deferred = deferred.len() + large.len();
    let deferred = large.into_iter().chain((!deferred.is_empty()).then_some(deferred));
    let message = |item_ids| ScanMessage::StageItems { operation_id, item_ids };
    state.queues.send_scan(&deferred.map(message).collect::<Vec<_>>()).await?;
    Ok(tally)
}
