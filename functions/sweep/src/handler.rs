//! Which of its two tasks an event brings.

use std::sync::Arc;

use aws_lambda_events::sqs::SqsEvent;
use lambda::event::Invocation;
use serde_json::Value;

use crate::State;
use crate::dead_letters::take_dead_letters;
use crate::healing::heal;

/// Takes dead letters if the event brings records, else heals and tidies. Answers with the failed
/// records of the former, with what was done by the latter.
///
/// # Errors
/// When the event is neither.
pub async fn handle(state: Arc<State>, event: Value, invocation: Invocation) -> Result<Value, lambda::Error> {
    if event.get("Records").is_some() {
        let event: SqsEvent = serde_json::from_value(event)?;
        let failures = take_dead_letters(&state, event).await;
        return Ok(serde_json::json!({"batchItemFailures": failures}));
    }
    let done = heal(&state, &invocation).await;
    Ok(serde_json::to_value(done)?)
}
