//! The tasks of the job, connected by short channels.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc::{Receiver, Sender};

use super::leases::Leases;
use super::stop::{Stop, StopReason};
use crate::State;
use crate::jobs::{Job, Request, groups};
use crate::stage::{Limits, drop_cancelled, embed_group, prepare, store_group};

/// The longest time that a receive call waits for messages. A receive call is never cancelled, because its
/// messages would stay invisible for their whole visibility timeout; so the job may take this long to stop.
const WAIT: Duration = Duration::from_secs(5);

/// The pause after a failed receive call.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a group that is not full waits for more messages after the last one.
const LINGER: Duration = Duration::from_millis(200);

/// A group with its vectors.
#[derive(Debug)]
pub(crate) struct EmbeddedGroup {
    jobs: Vec<Job>,
    /// The number of chunks that were in the model.
    embedded_chunks: usize,
    model: Duration,
}

/// Receives messages until the queue has been empty for `idle`, or until the job ends.
pub(crate) async fn receive(leases: Arc<Leases>, stop: Stop, idle: Duration, messages: Sender<Vec<Request>>) {
    while stop.reason().is_none() {
        let permits = tokio::select! {
            permits = leases.reserve() => permits,
            () = stop.stopped() => return,
        };
        let Ok(permits) = permits else {
            return;
        };
        let is_available = match leases.receive(WAIT.min(idle)).await {
            Ok(received) if !received.is_empty() => {
                let requests = leases.add(received, permits).await;
                // The receiver is gone once the job is stopped; the messages are released then.
                if messages.send(requests).await.is_err() {
                    return;
                }
                continue;
            }
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(error = lambda::error_chain(&error), "receiving messages failed");
                tokio::time::sleep(PAUSE).await;
                false
            }
        };
        if leases.idle_for() >= idle {
            stop.set(if is_available { StopReason::QueueEmpty } else { StopReason::QueueUnavailable });
        }
    }
}

/// Loads the chunks that the messages name and groups them, as full as the queue allows while the model is
/// busy.
pub(crate) async fn gather(
    state: Arc<State>,
    leases: Arc<Leases>,
    stop: Stop,
    (reads, group_texts): (usize, usize),
    mut messages: Receiver<Vec<Request>>,
    groups_in: Sender<Vec<Job>>,
) {
    let prepared = stream::poll_fn(move |context| messages.poll_recv(context))
        .map(|requests| load(Arc::clone(&state), Arc::clone(&leases), requests))
        .buffer_unordered(reads);
    let mut prepared = std::pin::pin!(prepared);
    let mut waiting: Vec<Job> = Vec::new();
    let (mut is_quiet, mut is_over) = (false, false);
    while !(is_over && waiting.is_empty()) {
        let texts: usize = waiting.iter().map(|job| job.chunks.len()).sum();
        let is_ready = !waiting.is_empty() && (texts >= group_texts || is_quiet || is_over);
        tokio::select! {
            next = prepared.next(), if !is_over && texts < group_texts => match next {
                Some(jobs) => {
                    is_quiet = false;
                    waiting.extend(jobs);
                }
                None => is_over = true,
            },
            slot = groups_in.reserve(), if is_ready => {
                let Ok(slot) = slot else {
                    return;
                };
                let mut full = groups(std::mem::take(&mut waiting), group_texts).into_iter();
                if let Some(first) = full.next() {
                    slot.send(first);
                }
                for group in full {
                    if groups_in.send(group).await.is_err() {
                        return;
                    }
                }
            },
            () = tokio::time::sleep(LINGER), if !waiting.is_empty() && !is_ready => is_quiet = true,
            () = stop.aborted() => return,
        }
    }
}

/// Returns the jobs of these messages; finishes the messages that need no embedding.
async fn load(state: Arc<State>, leases: Arc<Leases>, requests: Vec<Request>) -> Vec<Job> {
    let positions: Vec<usize> = requests.iter().map(|request| request.position).collect();
    // A task of its own, so that a panic fails these messages and not the job.
    let task_leases = Arc::clone(&leases);
    let prepared = tokio::spawn(async move {
        let (jobs, outcomes) = prepare(&state, &requests).await;
        task_leases.finish(outcomes).await;
        jobs
    });
    match prepared.await {
        Ok(jobs) => jobs,
        Err(panic) => {
            leases.finish_panicked(&positions, &panic.to_string()).await;
            Vec::new()
        }
    }
}

/// Computes the vectors of one group after the other.
pub(crate) async fn embed_groups(
    state: Arc<State>,
    leases: Arc<Leases>,
    stop: Stop,
    mut groups: Receiver<Vec<Job>>,
    embedded_in: Sender<EmbeddedGroup>,
) {
    while let Some(group) = groups.recv().await {
        if stop.is_aborted() {
            return;
        }
        let (group, cancelled) = drop_cancelled(&state, group).await;
        leases.finish(cancelled).await;
        if group.is_empty() {
            continue;
        }
        let started = Instant::now();
        let embedded_chunks: usize = group.iter().map(|job| job.unknown_chunks().count()).sum();
        let aborting = stop.clone();
        let limits = Limits { max_tokens: u64::MAX, should_stop: Box::new(move || aborting.is_aborted()) };
        match embed_group(&state, group, limits).await {
            // The embedding was aborted; its messages are released.
            Ok(embedded) if !embedded.jobs.iter().all(Job::is_complete) => return,
            Ok(embedded) => {
                let group = EmbeddedGroup { jobs: embedded.jobs, embedded_chunks, model: started.elapsed() };
                if embedded_in.send(group).await.is_err() {
                    return;
                }
            }
            Err(outcomes) => leases.finish(outcomes).await,
        }
    }
}

/// Stores one group after the other and acknowledges its messages.
pub(crate) async fn store_groups(
    state: Arc<State>,
    leases: Arc<Leases>,
    mut embedded: Receiver<EmbeddedGroup>,
) {
    while let Some(EmbeddedGroup { jobs, embedded_chunks, model }) = embedded.recv().await {
        let started = Instant::now();
        let positions: Vec<usize> = jobs.iter().map(|job| job.request.position).collect();
        let chunks: usize = jobs.iter().map(|job| job.chunks.len()).sum();
        let state = Arc::clone(&state);
        match tokio::spawn(async move { store_group(&state, jobs).await }).await {
            Ok(outcomes) => leases.finish(outcomes).await,
            Err(panic) => leases.finish_panicked(&positions, &panic.to_string()).await,
        }
        leases.count(|tally| {
            tally.groups += 1;
            tally.chunks += chunks;
            tally.embedded_chunks += embedded_chunks;
            tally.model += model;
        });
        tracing::info!(
            messages = positions.len(),
            chunks,
            embedded_chunks,
            model_ms = model.as_millis(),
            store_ms = started.elapsed().as_millis(),
            "group embedded"
        );
        lambda::metric::flush();
    }
}
