//! Functions that handle raw events: schedules, dead letters, custom resources.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use tracing::Instrument;

use crate::{metric, trace};

/// The invocation that delivered an event or a message.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The request id of the invocation, for the logs.
    pub request_id: String,
    /// The id of its X-Ray trace, for the logs.
    pub trace_id: Option<String>,
    /// The time at which Lambda stops the function.
    pub deadline: Instant,
}

impl Invocation {
    /// Creates an invocation with this time limit, for programs that are not Lambda functions.
    pub fn lasting(duration: Duration) -> Self {
        let request_id = uuid::Uuid::new_v4().to_string();
        Self { request_id, trace_id: None, deadline: Instant::now() + duration }
    }

    pub(crate) fn from_context(context: &lambda_runtime::Context) -> Self {
        let remaining = context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        let trace_id = context.xray_trace_id.as_deref().and_then(trace::id);
        Self { request_id: context.request_id.clone(), trace_id, deadline: Instant::now() + remaining }
    }

    /// Returns the time left before the function is stopped.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Serves invocations with any JSON payload until the process is stopped.
///
/// # Errors
/// Returns an error if the Lambda runtime API is unreachable.
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
        let span =
            tracing::info_span!("event", request.id = invocation.request_id, trace.id = invocation.trace_id);
        let work = async move {
            let result = handle(state, event.payload, invocation).await;
            metric::flush();
            result
        };
        work.instrument(span)
    }))
    .await
}
