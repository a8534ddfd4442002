//! The messages that the job has received and not finished yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::EmbedBatch;
use lambda::event::Invocation;
use lambda::sqs::{Delivery, message_span, read_body, settle};
use queue::{Consumer, QueueError, ReceivedMessage};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use crate::jobs::Request;
use crate::stage::Outcome;
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

/// The leased messages: invisible to other consumers until they are finished or released.
#[derive(Debug)]
pub(crate) struct Leases {
    state: Arc<State>,
    consumer: Consumer,
    run: Invocation,
    /// One permit for each message that may still be leased.
    capacity: Arc<Semaphore>,
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
    _permit: Option<OwnedSemaphorePermit>,
}

impl Leases {
    pub(crate) fn new(state: Arc<State>, consumer: Consumer, run: Invocation, config: &DrainConfig) -> Self {
        // Small documents have one text each: two groups of those, and what is being received.
        let capacity = 2 * config.group_texts + config.receives * Consumer::MAX_MESSAGES_PER_CALL;
        let inner = Inner {
            next_position: 0,
            messages: HashMap::new(),
            last_change: Instant::now(),
            tally: Tally::default(),
        };
        Self { state, consumer, run, capacity: Arc::new(Semaphore::new(capacity)), inner: Mutex::new(inner) }
    }

    /// Waits until as many messages can be leased as one receive call returns.
    pub(crate) async fn reserve(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        let most = u32::try_from(Consumer::MAX_MESSAGES_PER_CALL).unwrap_or(u32::MAX);
        Arc::clone(&self.capacity).acquire_many_owned(most).await
    }

    pub(crate) async fn receive(&self, wait: Duration) -> Result<Vec<ReceivedMessage>, QueueError> {
        self.consumer.receive(wait).await
    }

    /// Registers received messages. A message that cannot be parsed is left to the queue, which moves it to
    /// the dead-letter queue in the end.
    pub(crate) async fn add(
        &self,
        received: Vec<ReceivedMessage>,
        mut permits: OwnedSemaphorePermit,
    ) -> Vec<Request> {
        let mut requests = Vec::with_capacity(received.len());
        for received in received {
            let delivery = Delivery {
                message_id: received.message_id,
                receive_count: received.receive_count,
                receipt_handle: received.receipt_handle,
                queue_arn: self.consumer.arn().to_owned(),
                invocation: self.run.clone(),
            };
            let Some(body) = read_body(self.state.as_ref(), &delivery, &received.body).await else {
                continue;
            };
            let receive_count = delivery.receive_count;
            let mut inner = self.lock();
            let position = inner.next_position;
            inner.next_position += 1;
            let message = Message { delivery, body, since: Instant::now(), _permit: permits.split(1) };
            inner.messages.insert(position, message);
            inner.last_change = Instant::now();
            requests.push(Request { position, message: body, receive_count });
        }
        requests
    }

    /// Acknowledges the messages that succeeded and schedules a redelivery of those that failed.
    pub(crate) async fn finish(&self, outcomes: Vec<Outcome>) {
        let mut handles = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            let Some(message) = self.remove(outcome.position) else {
                continue;
            };
            outcome.log(&message.body, message.since);
            self.finish_one(message, Ok(outcome.result.map(drop)), &mut handles).await;
        }
        self.acknowledge(handles).await;
    }

    /// Schedules a redelivery of messages whose handler panicked.
    pub(crate) async fn finish_panicked(&self, positions: &[usize], panic: &str) {
        let mut handles = Vec::new();
        for message in positions.iter().filter_map(|position| self.remove(*position)) {
            self.finish_one(message, Err(panic.to_owned()), &mut handles).await;
        }
        self.acknowledge(handles).await;
    }

    /// Extends the visibility timeout of all leased messages periodically, until the task is aborted.
    pub(crate) async fn keep_extending(self: Arc<Self>) {
        let visibility = self.consumer.visibility_timeout();
        let mut ticks = tokio::time::interval((visibility / 3).max(Duration::from_secs(1)));
        // The first tick is immediate.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            if let Err(error) = self.consumer.change_visibility(&self.handles(), visibility).await {
                // Most likely some were finished meanwhile. Otherwise they are redelivered, which is harmless.
                tracing::info!(error = lambda::error_chain(&error), "not all leases could be extended");
            }
        }
    }

    /// Makes all leased messages visible to other consumers at once. Returns how many there were.
    pub(crate) async fn release_all(&self) -> usize {
        let handles = self.handles();
        self.lock().messages.clear();
        if let Err(error) = self.consumer.change_visibility(&handles, Duration::ZERO).await {
            tracing::warn!(
                error = lambda::error_chain(&error),
                "not all messages were released; they return after their visibility timeout"
            );
        }
        handles.len()
    }

    /// Returns for how long no message has been leased.
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

    fn remove(&self, position: usize) -> Option<Message> {
        let mut inner = self.lock();
        inner.last_change = Instant::now();
        inner.messages.remove(&position)
    }

    /// Handles the result of one message; adds its receipt handle to `done` if it is to be acknowledged.
    async fn finish_one(
        &self,
        message: Message,
        result: Result<Result<(), lambda::StageError>, String>,
        done: &mut Vec<String>,
    ) {
        let span = message_span(&message.delivery);
        let operation_id = Some(message.body.operation_id);
        let settled = settle(self.state.as_ref(), &message.delivery, operation_id, result);
        let is_done = settled.instrument(span).await;
        self.count(|tally| match is_done {
            true => tally.messages += 1,
            false => tally.failed_messages += 1,
        });
        if is_done {
            done.push(message.delivery.receipt_handle);
        }
    }

    async fn acknowledge(&self, handles: Vec<String>) {
        if let Err(error) = self.consumer.delete(&handles).await {
            tracing::warn!(
                error = lambda::error_chain(&error),
                "not all finished messages were deleted; their redelivery changes nothing"
            );
        }
    }

    /// Ignores poisoning: every change is complete before anything can panic.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
