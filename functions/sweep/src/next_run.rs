//! When sweep runs again.
//!
//! While there is work, each run arms the next one. A run that finds none is the last until somebody arms sweep, or
//! until the hourly schedule does; then nothing wakes the database. A message that waits for its time does not either.

use std::time::Duration;

use aws_lambda_events::sqs::SqsMessage;
use chrono::Utc;
use db::sweep::SweepDelays;
use domain::RunSweep;
use lambda::StageError;
use queue::MAX_ARMED;

use crate::State;
use crate::recovery::{Done, EVENT_DELAY_SECS, EVENT_WINDOW_SECS};

/// How soon a run is repeated that could not arm the next one.
const RETRY: Duration = Duration::from_secs(60);

/// Returns when the run is due that a message asks for, if it asks for one: how long from now.
pub(crate) fn due_in(record: &SqsMessage) -> Option<Duration> {
    let message: RunSweep = serde_json::from_str(record.body.as_deref()?).ok()?;
    let seconds = message.sweep_at.saturating_sub(Utc::now().timestamp());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// Arms the next run if something is due within the hour, after what this one did.
///
/// # Errors
/// Returns an error if it is not known whether there is work, or SQS cannot be reached: then run again.
pub(crate) async fn arm(state: &State, done: &Done) -> Result<(), StageError> {
    let delays = SweepDelays {
        expired_upload: state.stall_timeouts.expired_upload,
        missing_event: Duration::from_secs((EVENT_DELAY_SECS + EVENT_WINDOW_SECS).unsigned_abs()),
        unpurged: state.stall_timeouts.unpurged,
    };
    let mut connection = state.db.connection().await?;
    let mut due = connection.next_due(delays).await?;
    drop(connection);
    if done.has_more_to_check() {
        due = Some(Duration::ZERO);
    }
    let Some(due) = due.filter(|due| *due <= MAX_ARMED) else {
        return Ok(());
    };
    Ok(state.queues.arm_sweep(due).await?)
}

/// Has the queue deliver the message again when its run is due. If that fails, it does after its visibility timeout.
pub(crate) async fn wait(state: &State, record: &SqsMessage, due: Duration) {
    let (queue_arn, handle) = (
        record.event_source_arn.as_deref().unwrap_or_default(),
        record.receipt_handle.as_deref().unwrap_or_default(),
    );
    if let Err(error) = state.queues.redeliver_after(queue_arn, handle, due).await {
        tracing::warn!(error = lambda::error_chain(&error), "the run could not be delayed");
    }
}

/// Has the queue deliver the message of a run again that could not arm the next one.
pub(crate) async fn retry(state: &State, record: &SqsMessage) {
    wait(state, record, RETRY).await;
}
