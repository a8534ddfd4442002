//! Handles the messages of one event together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{EmbedBatch, ErrorKind};
use lambda::StageError;
use lambda::event::Invocation;
use lambda::sqs::Received;

use crate::State;
use crate::jobs::{GroupSize, Job, Request, in_turn, take_group};
use crate::pace::Turn;
use crate::progress::keep_progress;
use crate::stage::{EmbeddedGroup, Limits, Outcome, drop_cancelled, embed_group, prepare, store_group};

/// A message that was delivered this often is handed back as a new one, which waits behind those of others and whose
/// deliveries are counted from the start: it would reach the dead-letter queue although nothing is wrong with it. The
/// queue allows nine.
const RENEW_AFTER: u32 = 2;

/// How long documents of one operation may wait for those of another in a group.
const LONGEST_SHARED_GROUP: Duration = Duration::from_millis(50);

/// Embeds the batches that the messages name. Texts of different documents share the model's
/// batches, which makes small documents cheap; those of different operations only if that delays neither. What is not embedded when the turn of this invocation ends is handed back
/// to the queue, with the vectors that it has. Returns one result for each message, in order.
pub async fn handle(
    state: Arc<State>,
    messages: Vec<Received<EmbedBatch>>,
    invocation: Invocation,
) -> Vec<Result<(), StageError>> {
    let started = Instant::now();
    let state = state.as_ref();
    let request = |(position, received): (usize, &Received<EmbedBatch>)| Request {
        position,
        message: received.message,
        receive_count: received.delivery.receive_count,
    };
    let requests: Vec<Request> = messages.iter().enumerate().map(request).collect();
    let (jobs, mut outcomes) = prepare(state, &requests).await;
    outcomes.extend(embed(state, jobs, Turn::start(invocation.remaining())).await);
    let mut results: Vec<Option<Result<(), StageError>>> = messages.iter().map(|_| None).collect();
    for outcome in outcomes {
        outcome.log(&messages[outcome.position].message, started);
        results[outcome.position] = Some(outcome.result.map(drop));
    }
    let missing = || Err(StageError::new(ErrorKind::Internal, "the batch has no outcome"));
    results.into_iter().map(|result| result.unwrap_or_else(missing)).collect()
}

/// Embeds and stores group after group until the turn is over.
async fn embed(state: &State, jobs: Vec<Job>, turn: Turn) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let mut waiting = in_turn(jobs);
    // Positions of the messages that got vectors in this turn and need more.
    let mut begun: Vec<usize> = Vec::new();
    let mut has_embedded = false;
    let mut is_first = true;
    while let Some(next) = waiting.front() {
        let Some(remaining) = turn.remaining() else {
            break;
        };
        let max_tokens = state.pace.tokens_in(next.encoder(), remaining);
        let max_shared_tokens = state.pace.tokens_in(next.encoder(), LONGEST_SHARED_GROUP);
        let mut group = take_group(&mut waiting, GroupSize { max_tokens, max_shared_tokens });
        // The first group was checked just now.
        if !std::mem::take(&mut is_first) {
            let (wanted, cancelled) = drop_cancelled(state, group).await;
            outcomes.extend(cancelled);
            group = wanted;
        }
        if group.is_empty() {
            continue;
        }
        match embed_in_time(state, group, max_tokens, turn).await {
            Ok(EmbeddedGroup { jobs, tokens }) => {
                has_embedded |= tokens > 0;
                let (complete, incomplete): (Vec<_>, Vec<_>) = jobs.into_iter().partition(Job::is_complete);
                has_embedded |= !complete.is_empty();
                begun.extend(incomplete.iter().filter(|_| tokens > 0).map(|job| job.request.position));
                outcomes.extend(store_group(state, complete).await);
                for job in incomplete.into_iter().rev() {
                    waiting.push_front(job);
                }
            }
            Err(failed) => outcomes.extend(failed),
        }
    }
    for job in waiting {
        let result = hand_back(state, &job, begun.contains(&job.request.position), has_embedded).await;
        outcomes.push(Outcome::of(&job, result));
    }
    outcomes
}

/// Embeds a group, or part of it, and measures how fast.
async fn embed_in_time(
    state: &State,
    group: Vec<Job>,
    max_tokens: u64,
    turn: Turn,
) -> Result<EmbeddedGroup, Vec<Outcome>> {
    let started = Instant::now();
    let limits = Limits { max_tokens, should_stop: Box::new(move || turn.is_over()) };
    let embedded = embed_group(state, group, limits).await?;
    if let Some(job) = embedded.jobs.first().filter(|_| embedded.tokens > 0) {
        state.pace.record(job.encoder(), embedded.tokens, started.elapsed());
        tracing::info!(
            messages = embedded.jobs.len(),
            tokens = embedded.tokens,
            max_tokens,
            model_ms = started.elapsed().as_millis(),
            "group embedded"
        );
    }
    Ok(embedded)
}

/// Gives the message of a job that is not complete back to the queue. `is_begun` says whether the job got vectors in this
/// turn, `has_embedded` whether any job did.
///
/// A message whose turn did nothing at all keeps its count of deliveries, so that one that never can be embedded reaches the
/// dead-letter queue.
async fn hand_back(
    state: &State,
    job: &Job,
    is_begun: bool,
    has_embedded: bool,
) -> Result<&'static str, StageError> {
    if is_begun {
        keep_progress(state, job).await?;
    }
    if has_embedded && job.request.receive_count >= RENEW_AFTER {
        let message = EmbedBatch { is_begun: job.vectors.iter().any(Option::is_some), ..job.request.message };
        state.queues.send_embed(&[message]).await?;
        return Ok("handed back in a new message");
    }
    if has_embedded {
        return Err(StageError::handed_back(
            "the turn of this invocation ended before its batch was embedded",
        ));
    }
    Err(StageError::new(ErrorKind::Unavailable, "the time of an invocation is too short to embed anything"))
}
