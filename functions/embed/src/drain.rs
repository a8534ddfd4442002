//! The embed job: one process that takes everything the queue has, with the next group's chunks being
//! read and the last group's points being written while a group is in the model.
//!
//! ```text
//! receive ×n ─▶ prepare ×n ─▶ gather ─▶ embed ─▶ store ─▶ delete
//! ```
//!
//! At most one group waits before and after the model, and only so many messages are held; so memory
//! does not grow with the queue. Whatever is held is hidden from others again and again until it is
//! done, and handed back when the job is told to stop.

mod held;
mod pipeline;
mod stop;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lambda::event::Invocation;
use queue::{Consumer, Stage};
use tokio::task::JoinSet;

use crate::{DrainConfig, State};
use held::Held;
use pipeline::{embed_groups, gather, receive, store_groups};
use stop::{Ending, Stop};

/// What may be finished once the job is told to stop: groups that have their vectors. AWS kills a
/// container 30 seconds after it told it.
const FINISHING: Duration = Duration::from_secs(15);

/// Runs until the queue stayed empty, or until it is told to stop.
///
/// # Errors
/// When the model does not run or there is no queue, before anything was taken; when the queue stopped
/// answering, or a part of the job ended by a defect, after handing everything back.
pub async fn drain(
    state: State,
    config: &DrainConfig,
    told_to_stop: impl Future<Output = ()>,
) -> Result<(), lambda::Error> {
    let started = Instant::now();
    let state = Arc::new(state);
    let embedders = Arc::clone(&state.embedders);
    tokio::task::spawn_blocking(move || embedders.warm_up()).await??;
    let consumer = Consumer::open(&aws::sdk_config().await, Stage::Embed, &config.embed_queue_url).await?;
    let mut run = Invocation::lasting(Duration::from_secs(86_400));
    if let Some(job_id) = &config.job_id {
        run.request_id.clone_from(job_id);
    }
    tracing::info!(
        job.id = run.request_id,
        execution_provider = config.function.embedder.provider.as_str(),
        threads = config.function.embedder.threads,
        batch_tokens = config.function.embedder.batch_tokens,
        group_texts = config.group_texts,
        idle_seconds = config.idle.as_secs(),
        visibility_seconds = consumer.visibility_timeout().as_secs(),
        ms = started.elapsed().as_millis(),
        "draining the embed queue"
    );

    let stop = Stop::default();
    let held = Arc::new(Held::new(Arc::clone(&state), consumer, run, config));
    let mut parts = start(&state, &held, &stop, config);
    let hiding = tokio::spawn(Arc::clone(&held).keep_hidden());
    tokio::select! {
        () = finished(&mut parts, &stop) => {}
        () = told_to_stop => {
            stop.set(Ending::Told);
            if tokio::time::timeout(FINISHING, finished(&mut parts, &stop)).await.is_err() {
                tracing::warn!("what is being stored takes too long; it is handed back");
            }
        }
    }
    parts.shutdown().await;
    hiding.abort();
    let handed_back = held.hand_back().await;

    let ending = stop.ending().unwrap_or(Ending::Empty);
    let done = held.tally();
    tracing::info!(
        ending = ending.as_str(),
        messages = done.messages,
        failed_messages = done.failed_messages,
        handed_back,
        groups = done.groups,
        chunks = done.chunks,
        embedded_chunks = done.embedded_chunks,
        seconds = started.elapsed().as_secs_f64(),
        model_seconds = done.model.as_secs_f64(),
        "the embed queue was drained"
    );
    match ending {
        Ending::Empty | Ending::Told => Ok(()),
        Ending::Unreachable | Ending::Defect => Err(ending.as_str().into()),
    }
}

/// Starts every part; each ends when the one before it has, or when it is told to stop.
fn start(state: &Arc<State>, held: &Arc<Held>, stop: &Stop, config: &DrainConfig) -> JoinSet<()> {
    let (messages_in, messages) = tokio::sync::mpsc::channel(config.receives);
    let (groups_in, groups) = tokio::sync::mpsc::channel(1);
    let (embedded_in, embedded) = tokio::sync::mpsc::channel(1);
    let mut parts = JoinSet::new();
    for _ in 0..config.receives {
        parts.spawn(receive(Arc::clone(held), stop.clone(), config.idle, messages_in.clone()));
    }
    let limits = (config.receives, config.group_texts);
    parts.spawn(gather(Arc::clone(state), Arc::clone(held), stop.clone(), limits, messages, groups_in));
    parts.spawn(embed_groups(Arc::clone(state), Arc::clone(held), stop.clone(), groups, embedded_in));
    parts.spawn(store_groups(Arc::clone(state), Arc::clone(held), embedded));
    parts
}

/// Waits for the end of all parts. A part that panics stops the others.
async fn finished(parts: &mut JoinSet<()>, stop: &Stop) {
    while let Some(ended) = parts.join_next().await {
        if let Err(panic) = ended {
            tracing::error!(error = lambda::error_chain(&panic), "a part of the job ended by a defect");
            stop.set(Ending::Defect);
        }
    }
}
