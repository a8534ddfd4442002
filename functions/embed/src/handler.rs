//! Handles the messages of one event together.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use domain::{EmbedBatch, ErrorKind};
use lambda::StageError;
use lambda::event::Invocation;

use crate::State;
use crate::config::TEXTS_PER_GROUP;
use crate::jobs::groups;
use crate::stage::{Request, drop_cancelled, embed_group, fail_all, prepare, store_group};

/// The longest time that a group may take, with a margin: no group is started with less time left.
const GROUP_TIME: Duration = Duration::from_secs(60);

/// Embeds the batches that the messages name. Texts of different documents share the model's
/// batches, which makes small documents cheap. Returns one result for each message, in order.
pub async fn handle(
    state: Arc<State>,
    messages: Vec<EmbedBatch>,
    invocation: Invocation,
) -> Vec<Result<(), StageError>> {
    let started = Instant::now();
    let state = state.as_ref();
    let requests: Vec<Request> = messages
        .iter()
        .enumerate()
        .map(|(position, message)| Request { position, message: *message })
        .collect();
    let (jobs, mut outcomes) = prepare(state, &requests).await;
    let never_aborted = Arc::new(AtomicBool::new(false));
    for (number, group) in groups(jobs, TEXTS_PER_GROUP).into_iter().enumerate() {
        // The first group was checked just now.
        let (group, cancelled) =
            if number == 0 { (group, Vec::new()) } else { drop_cancelled(state, group).await };
        outcomes.extend(cancelled);
        if group.is_empty() {
            continue;
        }
        if invocation.remaining() < GROUP_TIME {
            let late = StageError::new(ErrorKind::Unavailable, "no time is left for this batch");
            outcomes.extend(fail_all(&group, &late));
            continue;
        }
        outcomes.extend(match embed_group(state, group, &never_aborted).await {
            Ok(embedded) => store_group(state, embedded).await,
            Err(outcomes) => outcomes,
        });
    }
    let mut results: Vec<Option<Result<(), StageError>>> = messages.iter().map(|_| None).collect();
    for outcome in outcomes {
        outcome.log(&messages[outcome.position], started);
        results[outcome.position] = Some(outcome.result.map(drop));
    }
    let missing = || Err(StageError::new(ErrorKind::Internal, "the batch has no outcome"));
    results.into_iter().map(|result| result.unwrap_or_else(missing)).collect()
}
