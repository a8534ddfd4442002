//! The SQS batch loop: takes an event and returns the messages to redeliver (`ReportBatchItemFailures`).
//!
//! A retryable error fails its message, after its visibility timeout was set to a backoff that grows with
//! the number of deliveries. A message whose body cannot be parsed fails the same way, and so ends in the
//! dead-letter queue as evidence, some minutes later: a deployment that has begun to send a new format may be
//! updating its consumer. A message that a handler had no time for is handed back and visible again at once. Any other
//! error is logged and the message acknowledged, since the stage has recorded the error. A panic fails only the
//! message whose handler panicked.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use domain::{Dependency, ErrorKind, OperationId, WorkMessage};
use futures_util::{StreamExt, stream};
use lambda_runtime::{LambdaEvent, service_fn};
use serde::de::DeserializeOwned;
use tracing::Instrument;

use crate::StageError;
use crate::event::Invocation;
use crate::metric::{self, Metric};

/// One delivery of one message.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The id of the message, the same at every delivery.
    pub message_id: String,
    /// The number of deliveries so far, from 1.
    pub receive_count: u32,
    /// The receipt handle, which changing the visibility timeout requires.
    pub receipt_handle: String,
    /// The ARN of the queue.
    pub queue_arn: String,
    /// The invocation that received it.
    pub invocation: Invocation,
}

/// A message and its delivery.
#[derive(Debug, Clone)]
pub struct Received<M> {
    /// The message.
    pub message: M,
    /// Its delivery.
    pub delivery: Delivery,
}

/// The longest time that a message waits because a server asked for it.
const LONGEST_DELAY: Duration = Duration::from_secs(3600);

/// How long a message that was handed back stays invisible: so that this invocation has ended before.
const HAND_BACK_DELAY: Duration = Duration::from_secs(1);

impl Delivery {
    /// Returns the backoff before the next delivery: 2 s, doubling up to 4 minutes, or what a server asked for if that is
    /// longer, an hour at most.
    pub fn backoff(&self, retry_after: Option<Duration>) -> Duration {
        let doublings = self.receive_count.saturating_sub(1).min(7);
        let backoff = Duration::from_secs((2_u64 << doublings).min(240));
        retry_after.map_or(backoff, |wanted| wanted.min(LONGEST_DELAY).max(backoff))
    }
}

/// Why a message is delivered again, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The operation that the message is about, if there is one.
    pub operation_id: Option<OperationId>,
    /// The class of the error.
    pub kind: ErrorKind,
    /// What was unavailable, if that was the error.
    pub dependency: Option<Dependency>,
    /// The backoff.
    pub delay: Duration,
}

impl Retry {
    /// Creates a redelivery that its operation does not wait for: the message has not failed, or concerns none.
    const fn unrecorded(delay: Duration) -> Self {
        Self { operation_id: None, kind: ErrorKind::Unavailable, dependency: None, delay }
    }
}

/// A function's state that can delay redeliveries.
///
/// Otherwise a failed message would stay invisible for the queue's whole visibility timeout, which must
/// exceed the function's time limit.
pub trait Redeliver {
    /// Makes the message visible again after the delay, and records what its operation waits for. Implementations only
    /// log a failure: the queue's visibility timeout then applies.
    fn redeliver(&self, delivery: &Delivery, retry: Retry) -> impl Future<Output = ()> + Send;
}

/// Serves SQS events until the process is stopped, handling up to `concurrency` messages of a
/// batch at a time.
///
/// # Errors
/// Returns an error if the Lambda runtime API is unreachable.
pub async fn run<S, M, F, R>(state: S, concurrency: usize, handle: F) -> Result<(), lambda_runtime::Error>
where
    S: Redeliver + Send + Sync + 'static,
    M: DeserializeOwned + WorkMessage + Send + 'static,
    F: Fn(Arc<S>, M, Delivery) -> R + Send + Sync,
    R: Future<Output = Result<(), StageError>> + Send + 'static,
{
    let state = Arc::new(state);
    let handle = &handle;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| {
        let state = Arc::clone(&state);
        let invocation = Invocation::from_context(&event.context);
        async move {
            let response = handle_batch(state, event.payload, &invocation, concurrency, handle).await;
            metric::flush();
            Ok::<_, lambda_runtime::Error>(response)
        }
    }))
    .await
}

/// Serves SQS events whose messages are cheaper to handle together than one by one. `handle` receives
/// the messages of an event and returns one result for each, in the same order. A panic fails all of them.
///
/// # Errors
/// Returns an error if the Lambda runtime API is unreachable.
pub async fn run_together<S, M, F, R>(state: S, handle: F) -> Result<(), lambda_runtime::Error>
where
    S: Redeliver + Send + Sync + 'static,
    M: DeserializeOwned + WorkMessage + Send + 'static,
    F: Fn(Arc<S>, Vec<Received<M>>, Invocation) -> R + Send + Sync,
    R: Future<Output = Vec<Result<(), StageError>>> + Send + 'static,
{
    let state = Arc::new(state);
    let handle = &handle;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| {
        let state = Arc::clone(&state);
        let invocation = Invocation::from_context(&event.context);
        async move {
            let response = handle_together(state, event.payload, &invocation, handle).await;
            metric::flush();
            Ok::<_, lambda_runtime::Error>(response)
        }
    }))
    .await
}

/// Handles one event as [`run_together`] does. Public so that tests can pass recorded events.
pub async fn handle_together<S, M, F, R>(
    state: Arc<S>,
    event: SqsEvent,
    invocation: &Invocation,
    handle: &F,
) -> SqsBatchResponse
where
    S: Redeliver + Send + Sync + 'static,
    M: DeserializeOwned + WorkMessage + Send + 'static,
    F: Fn(Arc<S>, Vec<Received<M>>, Invocation) -> R + Send + Sync,
    R: Future<Output = Vec<Result<(), StageError>>> + Send + 'static,
{
    let mut failures: Vec<String> = Vec::new();
    let mut deliveries = Vec::new();
    let mut messages = Vec::new();
    for record in event.records {
        let (delivery, body) = read_record(record, invocation);
        match read_body::<S, M>(state.as_ref(), &delivery, &body).await {
            Some(message) => {
                deliveries.push((delivery.clone(), message.operation_id()));
                messages.push(Received { message, delivery });
            }
            None => failures.push(delivery.message_id),
        }
    }
    let work = handle(Arc::clone(&state), messages, invocation.clone());
    let span =
        tracing::info_span!("messages", request.id = invocation.request_id, trace.id = invocation.trace_id);
    let outcome = tokio::spawn(work.instrument(span)).await;
    let mut results = match outcome {
        Ok(results) => results.into_iter().map(Ok).collect::<Vec<_>>().into_iter(),
        Err(panic) => deliveries.iter().map(|_| Err(panic.to_string())).collect::<Vec<_>>().into_iter(),
    };
    for (delivery, operation_id) in deliveries {
        let result = results
            .next()
            .unwrap_or_else(|| Err("the handler returned no result for the message".to_owned()));
        let span = message_span(&delivery);
        if !settle(state.as_ref(), &delivery, operation_id, result).instrument(span).await {
            failures.push(delivery.message_id);
        }
    }
    response(failures)
}

/// Handles one event as [`run`] does. Public so that tests can pass recorded events.
pub async fn handle_batch<S, M, F, R>(
    state: Arc<S>,
    event: SqsEvent,
    invocation: &Invocation,
    concurrency: usize,
    handle: &F,
) -> SqsBatchResponse
where
    S: Redeliver + Send + Sync + 'static,
    M: DeserializeOwned + WorkMessage + Send + 'static,
    F: Fn(Arc<S>, M, Delivery) -> R + Send + Sync,
    R: Future<Output = Result<(), StageError>> + Send + 'static,
{
    let failures: Vec<Option<String>> = stream::iter(event.records)
        .map(|record| {
            let state = Arc::clone(&state);
            async move {
                let (delivery, body) = read_record(record, invocation);
                let succeeded = handle_one(state, &delivery, &body, handle).await;
                (!succeeded).then_some(delivery.message_id)
            }
        })
        .buffer_unordered(concurrency.max(1))
        .collect()
        .await;
    response(failures.into_iter().flatten())
}

async fn handle_one<S, M, F, R>(state: Arc<S>, delivery: &Delivery, body: &str, handle: &F) -> bool
where
    S: Redeliver + Send + Sync + 'static,
    M: DeserializeOwned + WorkMessage + Send + 'static,
    F: Fn(Arc<S>, M, Delivery) -> R + Send + Sync,
    R: Future<Output = Result<(), StageError>> + Send + 'static,
{
    let Some(message) = read_body::<S, M>(state.as_ref(), delivery, body).await else {
        return false;
    };
    let operation_id = message.operation_id();
    let span = message_span(delivery);
    let work = handle(Arc::clone(&state), message, delivery.clone());
    // Runs in its own task so that a panic fails this message and not the batch.
    let outcome = tokio::spawn(work.instrument(span.clone())).await;
    let outcome = outcome.map_err(|panic| panic.to_string());
    settle(state.as_ref(), delivery, operation_id, outcome).instrument(span).await
}

/// Returns whether the message is to be acknowledged; delays its redelivery otherwise. The outer error of
/// `outcome` is a panic. Public for programs that receive messages themselves.
pub async fn settle<S: Redeliver>(
    state: &S,
    delivery: &Delivery,
    operation_id: Option<OperationId>,
    outcome: Result<Result<(), StageError>, String>,
) -> bool {
    let error = match outcome {
        Ok(Ok(())) => return true,
        Ok(Err(error)) if !error.is_retryable() => {
            tracing::error!(error = error.chain(), "message failed permanently and is acknowledged");
            return true;
        }
        Ok(Err(error)) if error.is_handed_back() => {
            tracing::info!(reason = error.chain(), "message handed back to the queue");
            state.redeliver(delivery, Retry::unrecorded(HAND_BACK_DELAY)).await;
            return false;
        }
        Ok(Err(error)) => error,
        Err(panic) => StageError::new(ErrorKind::Internal, panic),
    };
    let delay = delivery.backoff(error.retry_after());
    let dependency = error.dependency().map(Dependency::as_str);
    if let Some(dependency) = dependency {
        metric::add_of(Metric::DependencyErrors, &[dependency], 1);
    }
    tracing::warn!(
        error = error.chain(),
        dependency,
        retry_secs = delay.as_secs(),
        "message failed and will be redelivered"
    );
    let retry = Retry { operation_id, kind: error.kind(), dependency: error.dependency(), delay };
    state.redeliver(delivery, retry).await;
    false
}

/// Creates the log span of a message.
pub fn message_span(delivery: &Delivery) -> tracing::Span {
    tracing::info_span!(
        "message",
        message.id = delivery.message_id,
        message.receive_count = delivery.receive_count,
        request.id = delivery.invocation.request_id,
        trace.id = delivery.invocation.trace_id,
    )
}

fn response(failures: impl IntoIterator<Item = String>) -> SqsBatchResponse {
    let mut response = SqsBatchResponse::default();
    for message_id in failures {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = message_id;
        response.batch_item_failures.push(failure);
    }
    response
}

/// Parses a message body. Returns `None` if it is invalid; logs the error and delays the redelivery. The message must
/// then stay in the queue until it is moved to the dead-letter queue.
pub async fn read_body<S: Redeliver, M: DeserializeOwned>(
    state: &S,
    delivery: &Delivery,
    body: &str,
) -> Option<M> {
    match serde_json::from_str(body) {
        Ok(message) => Some(message),
        Err(error) => {
            let delay = delivery.backoff(None);
            tracing::error!(
                message.id = delivery.message_id,
                message.receive_count = delivery.receive_count,
                %error,
                retry_secs = delay.as_secs(),
                "message body cannot be parsed; left for the dead-letter queue"
            );
            state.redeliver(delivery, Retry::unrecorded(delay)).await;
            None
        }
    }
}

fn read_record(record: SqsMessage, invocation: &Invocation) -> (Delivery, String) {
    let receive_count = record.attributes.get("ApproximateReceiveCount");
    let delivery = Delivery {
        message_id: record.message_id.unwrap_or_default(),
        receive_count: receive_count.and_then(|count| count.parse().ok()).unwrap_or(1),
        receipt_handle: record.receipt_handle.unwrap_or_default(),
        queue_arn: record.event_source_arn.unwrap_or_default(),
        invocation: invocation.clone(),
    };
    (delivery, record.body.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redelivery_waits_longer_each_time_and_as_long_as_a_server_asks() {
        let after = |receive_count, retry_after: Option<u64>| {
            let delivery = Delivery {
                receive_count,
                message_id: String::new(),
                receipt_handle: String::new(),
                queue_arn: String::new(),
                invocation: Invocation::lasting(Duration::from_secs(1)),
            };
            delivery.backoff(retry_after.map(Duration::from_secs)).as_secs()
        };
        assert_eq!([1, 2, 3, 7, 8, 50].map(|count| after(count, None)), [2, 4, 8, 128, 240, 240]);
        assert_eq!([Some(0), Some(30), Some(90_000)].map(|wanted| after(1, wanted)), [2, 30, 3600]);
    }
}
