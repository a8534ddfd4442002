//! The events of this function: messages that ask for a run, the schedule, and dead letters.

use std::sync::Arc;

use aws_lambda_events::sqs::SqsEvent;
use lambda::event::Invocation;
use lambda::metric::{self, Metric};
use serde_json::{Value, json};

use crate::dead_letters::record_dead_letters;
use crate::recovery::{Done, run_steps};
use crate::{State, next_run};

/// Handles the records of a queue, or runs the steps as the schedule does. Returns the batch item failures of the former,
/// the counts of the latter.
///
/// # Errors
/// Returns an error if the event has records that are not those of SQS.
pub async fn handle(state: Arc<State>, event: Value, invocation: Invocation) -> Result<Value, lambda::Error> {
    let answer = if event.get("Records").is_some() {
        let event: SqsEvent = serde_json::from_value(event)?;
        json!({"batchItemFailures": handle_records(&state, event, &invocation).await})
    } else {
        serde_json::to_value(run(&state, &invocation).await.0)?
    };
    // A run may be the last for a long time: the database can pause from now on.
    state.db.close_idle_connections().await;
    Ok(answer)
}

/// Handles messages that ask for a run, all by one, and dead letters. Returns the batch item failures.
async fn handle_records(state: &State, event: SqsEvent, invocation: &Invocation) -> Vec<Value> {
    let (mut due, mut dead_letters, mut failures) = (Vec::new(), SqsEvent::default(), Vec::new());
    for record in event.records {
        match next_run::due_in(&record) {
            Some(wait) if wait.is_zero() => due.push(record),
            Some(wait) => {
                next_run::wait(state, &record, wait).await;
                failures.push(json!({"itemIdentifier": record.message_id}));
            }
            None => dead_letters.records.push(record),
        }
    }
    failures.extend(record_dead_letters(state, dead_letters).await);
    if !due.is_empty() && !run(state, invocation).await.1 {
        for record in due {
            next_run::retry(state, &record).await;
            failures.push(json!({"itemIdentifier": record.message_id}));
        }
    }
    failures
}

/// Runs the steps and arms the next run. Returns what was done, and whether it is certain that the next run is armed if
/// there is work.
async fn run(state: &State, invocation: &Invocation) -> (Done, bool) {
    let mut done = run_steps(state, invocation).await;
    let armed = next_run::arm(state, &done).await;
    if let Err(error) = &armed {
        tracing::error!(error = error.chain(), "the next run could not be armed");
        done.failed_steps.push("next run");
        metric::add(Metric::SweepFailedSteps, 1);
    }
    (done, armed.is_ok())
}
