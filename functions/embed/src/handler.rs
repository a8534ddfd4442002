//! The messages of one event, embedded together.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use domain::{EmbedBatch, ErrorKind};
use lambda::StageError;
use lambda::event::Invocation;

use crate::State;
use crate::jobs::groups;
use crate::stage::{Request, drop_unwanted, embed_group, fail_all, prepare, store_group};

/// Texts that go through the model in one call. Enough to fill its batches with texts of similar
/// length, few enough that a group is stored well within the time limit.
pub(crate) const TEXTS_PER_GROUP: usize = 512;

/// What a group may take, with room to spare: no group is begun with less time left.
const GROUP_TIME: Duration = Duration::from_secs(60);

/// Embeds the batches that the messages name. Texts of different documents share the model's
/// batches, which is what makes small documents cheap.
pub async fn handle(
    state: Arc<State>,
    messages: Vec<EmbedBatch>,
    invocation: Invocation,
) -> Vec<Result<(), StageError>> {
    let started = Instant::now();
    let state = state.as_ref();
    let asked: Vec<Request> = messages
        .iter()
        .enumerate()
        .map(|(position, message)| Request { position, message: *message })
        .collect();
    let (jobs, mut settled) = prepare(state, &asked).await;
    let given_up = Arc::new(AtomicBool::new(false));
    for (number, group) in groups(jobs, TEXTS_PER_GROUP).into_iter().enumerate() {
        // The first group was looked at just now.
        let (group, dropped) =
            if number == 0 { (group, Vec::new()) } else { drop_unwanted(state, group).await };
        settled.extend(dropped);
        if group.is_empty() {
            continue;
        }
        if invocation.remaining() < GROUP_TIME {
            let late = StageError::new(ErrorKind::Unavailable, "no time is left for this batch");
            settled.extend(fail_all(&group, &late));
            continue;
        }
        settled.extend(match embed_group(state, group, &given_up).await {
            Ok(embedded) => store_group(state, embedded).await,
            Err(settled) => settled,
        });
    }
    let mut results: Vec<Option<Result<(), StageError>>> = messages.iter().map(|_| None).collect();
    for settled in settled {
        settled.log(&messages[settled.position], started);
        results[settled.position] = Some(settled.outcome.map(drop));
    }
    let left_out = || Err(StageError::new(ErrorKind::Internal, "the batch was left out"));
    results.into_iter().map(|result| result.unwrap_or_else(left_out)).collect()
}
