//! Messages about deliveries to webhooks.

use std::time::Duration;

use db::Db;
use domain::AttemptDelivery;
use lambda::StageError;
use queue::Queues;

/// Deliveries whose messages are sent together.
const PAGE: i64 = 100;

/// Deliveries whose messages are sent by whoever ends an operation, at most; sweep sends the others.
const MAX_AT_ONCE: usize = 500;

/// After this, a message is sent again if its attempt has not begun.
const RESEND: Duration = Duration::from_secs(300);

/// Sends the messages of deliveries that are due, `limit` at most. Returns how many.
///
/// # Errors
/// Returns the queue's error if not all messages are sent; sweep sends the others again.
pub async fn send_due_deliveries(db: &Db, queues: &Queues, limit: usize) -> Result<usize, StageError> {
    let mut sent = 0;
    loop {
        let due = db.connection().await?.webhook_deliveries().claim_due(RESEND, PAGE).await?;
        if due.is_empty() {
            return Ok(sent);
        }
        let messages: Vec<AttemptDelivery> = due
            .iter()
            .map(|due| AttemptDelivery {
                delivery_id: due.id,
                webhook_id: due.webhook_id,
                attempts: due.attempts.unsigned_abs(),
            })
            .collect();
        queues.send_notify(Duration::ZERO, &messages).await?;
        sent += messages.len();
        if i64::try_from(messages.len()).unwrap_or(PAGE) < PAGE || sent >= limit {
            return Ok(sent);
        }
    }
}

/// Sends the messages of deliveries that were just committed. A failure delays them until the next sweep, and is no reason
/// for the caller to fail.
pub async fn send_deliveries_or_leave(db: &Db, queues: &Queues) {
    if let Err(error) = send_due_deliveries(db, queues, MAX_AT_ONCE).await {
        tracing::warn!(error = error.chain(), "webhooks could not be told; sweep sends the messages");
    }
}
