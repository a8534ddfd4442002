//! The embed job: one process that drains the queue. While one group is in the model, the chunks of the
//! next are loaded and the points of the previous one are written.
//!
//! ```text
//! receive ×n ─▶ load ×n ─▶ group ─▶ embed ─▶ store ─▶ acknowledge
//! ```
//!
//! At most one group waits before and after the model, and the number of leased messages is bounded; so
//! memory does not grow with the queue. Leases are extended until a message is finished, and released when
//! the job is told to stop.

mod leases;
mod pipeline;
mod stop;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lambda::event::Invocation;
use queue::{Consumer, Stage};
use tokio::task::JoinSet;

use crate::{DrainConfig, State};
use leases::Leases;
use pipeline::{embed_groups, gather, receive, store_groups};
use stop::{Stop, StopReason};

/// How long groups that have their vectors may take to be stored after a stop signal. AWS kills a
/// container 30 seconds after the signal.
const STORE_TIME: Duration = Duration::from_secs(15);

/// Runs until the queue stays empty, or until `stop_signal` completes.
///
/// # Errors
/// Returns an error if the model does not run or the queue does not exist, before any message is received;
/// and if the queue becomes unavailable or a task panics, after releasing all messages.
pub async fn drain(
    state: State,
    config: &DrainConfig,
    stop_signal: impl Future<Output = ()>,
) -> Result<(), lambda::Error> {
    let started = Instant::now();
    let state = Arc::new(state);
    let embedder = Arc::clone(&state.embedder);
    tokio::task::spawn_blocking(move || embedder.warm_up()).await??;
    let consumer =
        Consumer::open(&aws::sdk_config().await, Stage::Embed, &config.function.embed_queue_url).await?;
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
    let leases = Arc::new(Leases::new(Arc::clone(&state), consumer, run, config));
    let mut tasks = start(&state, &leases, &stop, config);
    let extending = tokio::spawn(Arc::clone(&leases).keep_extending());
    tokio::select! {
        () = finished(&mut tasks, &stop) => {}
        () = stop_signal => {
            stop.set(StopReason::Signal);
            if tokio::time::timeout(STORE_TIME, finished(&mut tasks, &stop)).await.is_err() {
                tracing::warn!("storing takes too long; its messages are released");
            }
        }
    }
    tasks.shutdown().await;
    extending.abort();
    let released = leases.release_all().await;
    lambda::metric::flush();

    let reason = stop.reason().unwrap_or(StopReason::QueueEmpty);
    let done = leases.tally();
    tracing::info!(
        stop_reason = reason.as_str(),
        messages = done.messages,
        failed_messages = done.failed_messages,
        released,
        groups = done.groups,
        chunks = done.chunks,
        embedded_chunks = done.embedded_chunks,
        seconds = started.elapsed().as_secs_f64(),
        model_seconds = done.model.as_secs_f64(),
        "the embed queue was drained"
    );
    match reason {
        StopReason::QueueEmpty | StopReason::Signal => Ok(()),
        StopReason::QueueUnavailable | StopReason::Panic => Err(reason.as_str().into()),
    }
}

/// Starts every task; each ends when the one before it has ended, or when the job is told to stop.
fn start(state: &Arc<State>, leases: &Arc<Leases>, stop: &Stop, config: &DrainConfig) -> JoinSet<()> {
    let (messages_in, messages) = tokio::sync::mpsc::channel(config.receives);
    let (groups_in, groups) = tokio::sync::mpsc::channel(1);
    let (embedded_in, embedded) = tokio::sync::mpsc::channel(1);
    let mut tasks = JoinSet::new();
    for _ in 0..config.receives {
        tasks.spawn(receive(Arc::clone(leases), stop.clone(), config.idle, messages_in.clone()));
    }
    let limits = (config.receives, config.group_texts);
    tasks.spawn(gather(Arc::clone(state), Arc::clone(leases), stop.clone(), limits, messages, groups_in));
    tasks.spawn(embed_groups(Arc::clone(state), Arc::clone(leases), stop.clone(), groups, embedded_in));
    tasks.spawn(store_groups(Arc::clone(state), Arc::clone(leases), embedded));
    tasks
}

/// Waits until all tasks have ended. A task that panics stops the others.
async fn finished(tasks: &mut JoinSet<()>, stop: &Stop) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(panic) = ended {
            tracing::error!(error = lambda::error_chain(&panic), "a task of the job panicked");
            stop.set(StopReason::Panic);
        }
    }
}
