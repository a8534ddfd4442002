//! The two events of this function: dead letters and the schedule.

use std::sync::Arc;

use aws_lambda_events::sqs::SqsEvent;
use lambda::event::Invocation;
use serde_json::Value;

use crate::State;
use crate::dead_letters::record_dead_letters;
use crate::recovery::run_steps;

/// Records dead letters if the event has records, and runs the scheduled steps otherwise. Returns the
/// batch item failures of the former, the counts of the latter.
///
/// # Errors
/// Returns an error if the event has records that are not those of SQS.
pub async fn handle(state: Arc<State>, event: Value, invocation: Invocation) -> Result<Value, lambda::Error> {
    if event.get("Records").is_some() {
        let event: SqsEvent = serde_json::from_value(event)?;
        let failures = record_dead_letters(&state, event).await;
        return Ok(serde_json::json!({"batchItemFailures": failures}));
    }
    let done = run_steps(&state, &invocation).await;
    Ok(serde_json::to_value(done)?)
}
