//! What every stage does after its commit: end the operation if that was its last item, start the
//! collection's next one, ask for a later delivery of what failed.
//!
//! Each call is safe to repeat. A process that dies between two of them loses nothing: `sweep`
//! finds operations that could end, and operations whose message was not sent.

use std::time::Duration;

use db::Db;
use db::operations::Ending;
use domain::{CollectionId, DocumentId, ItemId, OperationId, ScanMessage};
use lambda::StageError;
use lambda::sqs::Delivery;
use queue::Queues;

/// Ends the operation if nothing is left to do in it, and starts the collection's next one. A reindex
/// whose new index is full is sent to scan, which lets it answer. Returns whether the operation ended
/// now.
///
/// # Errors
/// When the database or the queue does not answer.
pub async fn end_operation(db: &Db, queues: &Queues, operation_id: OperationId) -> Result<bool, StageError> {
    let ending = db.connection().await?.operations().end_if_done(operation_id).await?;
    let finished = match ending {
        Ending::Ended(finished) => finished,
        Ending::Open => return Ok(false),
        Ending::AwaitsSwap => {
            dispatch(db, queues, &[operation_id]).await?;
            return Ok(false);
        }
    };
    tracing::info!(operation.id = %operation_id, operation.status = %finished.status, "operation ended");
    lambda::fault::point("operation-ended");
    start_next(db, queues, finished.collection_id).await?;
    Ok(true)
}

/// Ends the items that are open because their operation no longer wants them, and the operation if
/// they were its last. Returns how many were open.
///
/// # Errors
/// When the database or the queue does not answer.
pub async fn cancel_items(
    db: &Db,
    queues: &Queues,
    operation_id: OperationId,
    ids: &[ItemId],
) -> Result<usize, StageError> {
    let mut cancelled = 0;
    for id in ids {
        let mut tx = db.begin().await?;
        cancelled += usize::from(tx.operation_items().mark_cancelled(*id).await?);
        tx.commit().await?;
    }
    end_operation(db, queues, operation_id).await?;
    Ok(cancelled)
}

/// A document that an operation could not index.
#[derive(Debug, Clone, Copy)]
pub struct FailedDocument<'a> {
    /// The stage that found out.
    pub stage: &'static str,
    /// The operation.
    pub operation_id: OperationId,
    /// The document's entry in the operation's work list.
    pub item_id: ItemId,
    /// The document.
    pub document_id: Option<DocumentId>,
    /// What a person can do about it.
    pub reason: &'a str,
}

/// Says in one line of the log why a document failed: all that an operator needs to look further.
/// The request's id comes with the line, from the span of the message that is handled.
pub fn log_failed(failed: FailedDocument<'_>) {
    tracing::warn!(
        stage = failed.stage,
        operation.id = %failed.operation_id,
        item.id = %failed.item_id,
        document.id = failed.document_id.map(tracing::field::display),
        reason = failed.reason,
        "document failed"
    );
}

/// Starts the operation that waits longest in a collection where none is running.
///
/// # Errors
/// When the database or the queue does not answer.
pub async fn start_next(db: &Db, queues: &Queues, collection_id: CollectionId) -> Result<(), StageError> {
    let next = db.connection().await?.operations().next_pending(collection_id).await?;
    dispatch(db, queues, next.as_slice()).await
}

/// Asks for these operations to be run, and notes that.
///
/// # Errors
/// When the database or the queue does not answer.
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

/// Makes a failed message visible again after `delay`. Where that fails, the queue's own time-out
/// does the same later, so it is logged and no error.
pub async fn redeliver_after(queues: &Queues, delivery: &Delivery, delay: Duration) {
    let asked = queues.redeliver_after(&delivery.queue_arn, &delivery.receipt_handle, delay);
    if let Err(error) = asked.await {
        tracing::warn!(
            error = lambda::error_chain(&error),
            "no earlier delivery, the queue's time-out applies"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn one_line_says_why_a_document_failed_and_where_to_look_further() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = lambda::telemetry::subscriber("info", move || writer.clone());
        let id = "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f";
        tracing::subscriber::with_default(subscriber, || {
            let _message = tracing::info_span!("message", request.id = "r-1", message.id = "m-1").entered();
            log_failed(FailedDocument {
                stage: "chunk",
                operation_id: id.parse().unwrap(),
                item_id: ItemId(7),
                document_id: Some(id.parse().unwrap()),
                reason: "this is a binary file",
            });
        });
        let written = lines.0.lock().unwrap();
        let line: Value = serde_json::from_slice(&written).unwrap();
        assert_eq!((&line["level"], &line["message"]), (&"WARN".into(), &"document failed".into()), "{line}");
        assert_eq!((&line["stage"], &line["reason"]), (&"chunk".into(), &"this is a binary file".into()));
        assert_eq!((&line["operation.id"], &line["document.id"]), (&id.into(), &id.into()), "{line}");
        assert_eq!(line["span"]["request.id"], "r-1", "{line}");
    }
}
