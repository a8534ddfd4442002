//! Functions that take an event as it comes: schedules, dead letters, custom resources.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use tracing::Instrument;

/// The invocation that an event or message came with.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The invocation's id, for the logs.
    pub request_id: String,
    /// When the function will be stopped.
    pub deadline: Instant,
}

impl Invocation {
    /// An invocation that may take this long, for callers that are no Lambda function.
    pub fn lasting(duration: Duration) -> Self {
        Self { request_id: uuid::Uuid::new_v4().to_string(), deadline: Instant::now() + duration }
    }

    pub(crate) fn from_context(context: &lambda_runtime::Context) -> Self {
        let remaining = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        Self { request_id: context.request_id.clone(), deadline: Instant::now() + remaining }
    }

    /// Time left before the function is stopped.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Serves invocations with any JSON payload until the process is stopped.
///
/// # Errors
/// When the runtime's interface cannot be reached.
pub async fn run<S, F, R>(state: S, handle: F) -> Result<(), lambda_runtime::Error>
where
    S: Send + Sync + 'static,
    F: Fn(Arc<S>, Value, Invocation) -> R + Send + Sync,
    R: Future<Output = Result<Value, lambda_runtime::Error>>,
{
    let state = Arc::new(state);
    let handle = &handle;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let state = Arc::clone(&state);
        let invocation = Invocation::from_context(&event.context);
        let span = tracing::info_span!("event", request.id = invocation.request_id);
        async move { handle(state, event.payload, invocation).await }.instrument(span)
    }))
    .await
}
