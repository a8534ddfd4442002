//! The messages that the job has taken and is not done with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::EmbedBatch;
use lambda::event::Invocation;
use lambda::sqs::{Delivery, message_span, read_body, settle};
use queue::{Consumer, QueueError, ReceivedMessage};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use crate::stage::{Outcome, Request};
use crate::{DrainConfig, State};

/// What the job has done so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) messages: usize,
    pub(crate) failed_messages: usize,
    pub(crate) groups: usize,
    pub(crate) chunks: usize,
    pub(crate) embedded_chunks: usize,
    pub(crate) model: Duration,
}

/// The messages that are held.
#[derive(Debug)]
pub(crate) struct Held {
    state: Arc<State>,
    consumer: Consumer,
    run: Invocation,
    /// For so many messages more there is room.
    room: Arc<Semaphore>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    next_position: usize,
    messages: HashMap<usize, Message>,
    last_change: Instant,
    tally: Tally,
}

#[derive(Debug)]
struct Message {
    delivery: Delivery,
    body: EmbedBatch,
    since: Instant,
    _room: Option<OwnedSemaphorePermit>,
}

impl Held {
    pub(crate) fn new(state: Arc<State>, consumer: Consumer, run: Invocation, config: &DrainConfig) -> Self {
        // Small documents have one text each: two groups of those, and what is being received.
        let room = 2 * config.group_texts + config.receives * Consumer::MAX_MESSAGES_PER_CALL;
        let inner = Inner {
            next_position: 0,
            messages: HashMap::new(),
            last_change: Instant::now(),
            tally: Tally::default(),
        };
        Self { state, consumer, run, room: Arc::new(Semaphore::new(room)), inner: Mutex::new(inner) }
    }

    /// Waits until there is room for as many messages as one call takes.
    pub(crate) async fn room(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        let most = u32::try_from(Consumer::MAX_MESSAGES_PER_CALL).unwrap_or(u32::MAX);
        Arc::clone(&self.room).acquire_many_owned(most).await
    }

    pub(crate) async fn receive(&self, wait: Duration) -> Result<Vec<ReceivedMessage>, QueueError> {
        self.consumer.receive(wait).await
    }

    /// Takes charge of messages. One that cannot be read is left alone: the queue gives it up in the end.
    pub(crate) fn take(
        &self,
        received: Vec<ReceivedMessage>,
        mut room: OwnedSemaphorePermit,
    ) -> Vec<Request> {
        let mut inner = self.lock();
        let mut asked = Vec::with_capacity(received.len());
        for received in received {
            let delivery = Delivery {
                message_id: received.message_id,
                receive_count: received.receive_count,
                receipt_handle: received.receipt_handle,
                queue_arn: self.consumer.arn().to_owned(),
                invocation: self.run.clone(),
            };
            let Some(body) = read_body(&delivery, &received.body) else {
                continue;
            };
            let position = inner.next_position;
            inner.next_position += 1;
            let message = Message { delivery, body, since: Instant::now(), _room: room.split(1) };
            inner.messages.insert(position, message);
            inner.last_change = Instant::now();
            asked.push(Request { position, message: body });
        }
        asked
    }

    /// Acknowledges what is done, and asks for a later delivery of what failed.
    pub(crate) async fn settle(&self, settled: Vec<Outcome>) {
        let mut handles = Vec::with_capacity(settled.len());
        for settled in settled {
            let Some(message) = self.release(settled.position) else {
                continue;
            };
            settled.log(&message.body, message.since);
            self.tell(message, Ok(settled.outcome.map(drop)), &mut handles).await;
        }
        self.delete(handles).await;
    }

    /// Asks for a later delivery of messages whose handler panicked.
    pub(crate) async fn settle_panicked(&self, positions: &[usize], panic: &str) {
        let mut handles = Vec::new();
        for message in positions.iter().filter_map(|position| self.release(*position)) {
            self.tell(message, Err(panic.to_owned()), &mut handles).await;
        }
        self.delete(handles).await;
    }

    /// Hides what is held from others, until it is aborted.
    pub(crate) async fn keep_hidden(self: Arc<Self>) {
        let visibility = self.consumer.visibility_timeout();
        let mut ticks = tokio::time::interval((visibility / 3).max(Duration::from_secs(1)));
        // The first tick is at once.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            if let Err(error) = self.consumer.change_visibility(&self.handles(), visibility).await {
                // Done meanwhile, most likely; else somebody else does it, too, which harms nothing.
                tracing::info!(error = lambda::error_chain(&error), "not all messages could be held longer");
            }
        }
    }

    /// Makes everything that is held visible to others at once. Returns how many messages that were.
    pub(crate) async fn hand_back(&self) -> usize {
        let handles = self.handles();
        self.lock().messages.clear();
        if let Err(error) = self.consumer.change_visibility(&handles, Duration::ZERO).await {
            tracing::warn!(
                error = lambda::error_chain(&error),
                "not all messages were handed back, the queue's time-out applies"
            );
        }
        handles.len()
    }

    /// For how long nothing has been held.
    pub(crate) fn idle_for(&self) -> Duration {
        let inner = self.lock();
        if inner.messages.is_empty() { inner.last_change.elapsed() } else { Duration::ZERO }
    }

    pub(crate) fn tally(&self) -> Tally {
        self.lock().tally
    }

    pub(crate) fn count(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.lock().tally);
    }

    fn handles(&self) -> Vec<String> {
        self.lock().messages.values().map(|message| message.delivery.receipt_handle.clone()).collect()
    }

    fn release(&self, position: usize) -> Option<Message> {
        let mut inner = self.lock();
        inner.last_change = Instant::now();
        inner.messages.remove(&position)
    }

    async fn tell(
        &self,
        message: Message,
        outcome: Result<Result<(), lambda::StageError>, String>,
        done: &mut Vec<String>,
    ) {
        let span = message_span(&message.delivery);
        let is_done = settle(self.state.as_ref(), &message.delivery, outcome).instrument(span).await;
        self.count(|tally| match is_done {
            true => tally.messages += 1,
            false => tally.failed_messages += 1,
        });
        if is_done {
            done.push(message.delivery.receipt_handle);
        }
    }

    async fn delete(&self, handles: Vec<String>) {
        if let Err(error) = self.consumer.delete(&handles).await {
            tracing::warn!(
                error = lambda::error_chain(&error),
                "not all messages that are done were deleted; they will be found done before"
            );
        }
    }

    /// A panic elsewhere left nothing half done: every change is one step.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
