//! Messages to scan, and their redelivery.

use std::time::Duration;

use db::{Db, DbError};
use domain::{Dependency, ErrorKind, OperationId, ScanMessage, TransientError, WaitingFor};
use lambda::StageError;
use lambda::sqs::{Delivery, Retry};
use queue::Queues;

/// Operations that are dispatched by the request that starts them, at most; sweep dispatches the
/// others.
const MAX_DISPATCHED_AT_ONCE: usize = 100;

/// How long a commit waits until sweep is armed.
const ARM_TIMEOUT: Duration = Duration::from_secs(3);

/// Sends the messages that make these operations run, and records that they were sent.
///
/// # Errors
/// Returns the queue's error if not all messages are sent.
pub async fn dispatch(db: &Db, queues: &Queues, ids: &[OperationId]) -> Result<(), StageError> {
    if ids.is_empty() {
        return Ok(());
    }
    let messages: Vec<ScanMessage> =
        ids.iter().map(|id| ScanMessage::RunOperation { operation_id: *id }).collect();
    queues.send_scan(&messages).await?;
    db.connection().await?.operations().mark_dispatched(ids).await?;
    Ok(())
}

/// Dispatches operations that are committed. A failure delays them until the next sweep, and is no
/// reason to tell the client that its request failed.
pub(crate) async fn dispatch_or_leave(db: &Db, queues: &Queues, ids: &[OperationId]) {
    let ids = &ids[..ids.len().min(MAX_DISPATCHED_AT_ONCE)];
    if let Err(error) = dispatch(db, queues, ids).await {
        tracing::warn!(
            operation.id = ids.first().map(tracing::field::display),
            operations = ids.len(),
            error = error.chain(),
            "operations could not be dispatched; sweep will dispatch them"
        );
    }
}

/// Arms sweep before a commit that creates work for it: a process that is stopped after the commit leaves the work to the
/// next run. A failure is only logged, and the work is then found by the hourly run at the latest.
pub async fn arm_sweep(queues: &Queues) {
    // The caller holds locks: it does not wait for a queue that does not answer.
    let armed = tokio::time::timeout(ARM_TIMEOUT, queues.arm_sweep(Duration::ZERO)).await;
    let reason = match armed {
        Ok(Ok(())) => return,
        Ok(Err(error)) => lambda::error_chain(&error),
        Err(elapsed) => elapsed.to_string(),
    };
    tracing::warn!(error = reason, "sweep could not be armed; it recovers lost messages within an hour");
}

/// Makes a failed message visible again after the delay, and records what its operation waits for. If either fails, that
/// is only logged: the visibility timeout of the queue has the same effect later.
pub async fn redeliver(db: &Db, queues: &Queues, delivery: &Delivery, retry: Retry) {
    let changed = queues.redeliver_after(&delivery.queue_arn, &delivery.receipt_handle, retry.delay).await;
    if let Err(error) = changed {
        tracing::warn!(
            error = lambda::error_chain(&error),
            "the message's visibility could not be changed; it is redelivered after the queue's visibility timeout"
        );
    }
    if let Err(error) = record_wait(db, retry).await {
        tracing::warn!(
            error = lambda::error_chain(&error),
            "what the operation waits for could not be recorded"
        );
    }
}

async fn record_wait(db: &Db, retry: Retry) -> Result<(), DbError> {
    let Some(id) = retry.operation_id else {
        return Ok(());
    };
    let waiting_for = match retry.dependency {
        // Nothing can be recorded, and trying would keep the function waiting.
        Some(Dependency::Database) => return Ok(()),
        Some(Dependency::VectorDatabase) => WaitingFor::VectorDatabase,
        Some(Dependency::StagingBucket) => WaitingFor::StagingBucket,
        Some(Dependency::Queue) => WaitingFor::Queue,
        Some(Dependency::Embedding) => WaitingFor::Embedding,
        Some(Dependency::Source) => WaitingFor::Source,
        None => WaitingFor::Retry,
    };
    let error = match retry.kind {
        ErrorKind::Throttled => TransientError::Throttled,
        ErrorKind::Unavailable => TransientError::Unavailable,
        _ => TransientError::Internal,
    };
    db.connection().await?.operations().record_wait(id, waiting_for, error, retry.delay).await
}
