//! The parts of the job, each a task of its own, joined by short channels.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc::{Receiver, Sender};

use super::held::Held;
use super::stop::{Ending, Stop};
use crate::State;
use crate::jobs::{Job, groups};
use crate::stage::{Embedded, Request, drop_unwanted, embed_group, prepare, store_group};

/// How long a call to the queue waits for a message, at most. A call is never given up, because what it
/// was about to bring would be hidden for long; so the job may take this long to stop.
const WAIT: Duration = Duration::from_secs(5);

/// After a call to the queue that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a group that is not full waits for more once nothing more has come.
const LINGER: Duration = Duration::from_millis(200);

/// A group that went through the model.
#[derive(Debug)]
pub(crate) struct EmbeddedGroup {
    jobs: Vec<Embedded>,
    model: Duration,
}

/// Takes messages until there are none for some time, or until the job ends.
pub(crate) async fn receive(held: Arc<Held>, stop: Stop, idle: Duration, messages: Sender<Vec<Request>>) {
    while stop.ending().is_none() {
        let room = tokio::select! {
            room = held.room() => room,
            () = stop.ended() => return,
        };
        let Ok(room) = room else {
            return;
        };
        let is_answered = match held.receive(WAIT.min(idle)).await {
            Ok(received) if !received.is_empty() => {
                let asked = held.take(received, room);
                // Nobody listens once the job is told to stop; what is held is handed back then.
                if messages.send(asked).await.is_err() {
                    return;
                }
                continue;
            }
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(error = lambda::error_chain(&error), "the queue did not answer");
                tokio::time::sleep(PAUSE).await;
                false
            }
        };
        if held.idle_for() >= idle {
            stop.set(if is_answered { Ending::Empty } else { Ending::Unreachable });
        }
    }
}

/// Reads what the messages name and makes groups of it, as full as the queue allows while the model is
/// busy.
pub(crate) async fn gather(
    state: Arc<State>,
    held: Arc<Held>,
    stop: Stop,
    (reads, group_texts): (usize, usize),
    mut messages: Receiver<Vec<Request>>,
    groups_in: Sender<Vec<Job>>,
) {
    let prepared = stream::poll_fn(move |context| messages.poll_recv(context))
        .map(|asked| read(Arc::clone(&state), Arc::clone(&held), asked))
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
            place = groups_in.reserve(), if is_ready => {
                let Ok(place) = place else {
                    return;
                };
                let mut full = groups(std::mem::take(&mut waiting), group_texts).into_iter();
                if let Some(first) = full.next() {
                    place.send(first);
                }
                for group in full {
                    if groups_in.send(group).await.is_err() {
                        return;
                    }
                }
            },
            () = tokio::time::sleep(LINGER), if !waiting.is_empty() && !is_ready => is_quiet = true,
            () = stop.handing_back() => return,
        }
    }
}

/// What is to be embedded for these messages; the others are settled.
async fn read(state: Arc<State>, held: Arc<Held>, asked: Vec<Request>) -> Vec<Job> {
    let positions: Vec<usize> = asked.iter().map(|asked| asked.position).collect();
    // A task of its own, so that a panic ends these messages and not the job.
    let (worker, holder) = (state, Arc::clone(&held));
    let prepared = tokio::spawn(async move {
        let (jobs, settled) = prepare(&worker, &asked).await;
        holder.settle(settled).await;
        jobs
    });
    match prepared.await {
        Ok(jobs) => jobs,
        Err(panic) => {
            held.settle_panicked(&positions, &panic.to_string()).await;
            Vec::new()
        }
    }
}

/// Turns one group after the other into vectors.
pub(crate) async fn embed_groups(
    state: Arc<State>,
    held: Arc<Held>,
    stop: Stop,
    mut groups: Receiver<Vec<Job>>,
    embedded_in: Sender<EmbeddedGroup>,
) {
    while let Some(group) = groups.recv().await {
        if stop.is_given_up() {
            return;
        }
        let (group, dropped) = drop_unwanted(&state, group).await;
        held.settle(dropped).await;
        if group.is_empty() {
            continue;
        }
        let started = Instant::now();
        match embed_group(&state, group, stop.given_up()).await {
            Ok(jobs) => {
                let group = EmbeddedGroup { jobs, model: started.elapsed() };
                if embedded_in.send(group).await.is_err() {
                    return;
                }
            }
            // Nothing failed: it was given up.
            Err(_) if stop.is_given_up() => return,
            Err(settled) => held.settle(settled).await,
        }
    }
}

/// Stores one group after the other, and acknowledges its messages.
pub(crate) async fn store_groups(state: Arc<State>, held: Arc<Held>, mut embedded: Receiver<EmbeddedGroup>) {
    while let Some(EmbeddedGroup { jobs, model }) = embedded.recv().await {
        let started = Instant::now();
        let positions: Vec<usize> = jobs.iter().map(|(job, _)| job.position).collect();
        let chunks: usize = jobs.iter().map(|(job, _)| job.chunks.len()).sum();
        let embedded_chunks: usize = jobs.iter().map(|(job, _)| job.unknown_texts().count()).sum();
        let state = Arc::clone(&state);
        match tokio::spawn(async move { store_group(&state, jobs).await }).await {
            Ok(settled) => held.settle(settled).await,
            Err(panic) => held.settle_panicked(&positions, &panic.to_string()).await,
        }
        held.count(|tally| {
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
    }
}
