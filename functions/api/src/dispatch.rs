//! Tells the pipeline of an operation, after the transaction that inserted it.

use domain::{Classify, CollectionId, OperationId, ScanMessage};
use lambda::StageError;

use crate::State;

/// Sends the operation's message. The operation is safe in the database by now: what goes wrong
/// here delays it until sweep looks, and is no reason to tell the caller that anything failed.
pub(crate) async fn dispatch(state: &State, operation_id: OperationId) {
    lambda::fault::point("api-committed");
    if let Err(error) = state.queues.send_scan(&[ScanMessage::RunOperation { operation_id }]).await {
        warn(operation_id, "operation could not be dispatched, sweep will do it", error);
        return;
    }
    let marked = async { state.db.connection().await?.operations().mark_dispatched(&[operation_id]).await };
    if let Err(error) = marked.await {
        warn(operation_id, "dispatched operation could not be marked, sweep may send it again", error);
    }
}

/// Sends the message of the operation that waits longest in a collection where another one has made
/// room. What goes wrong here only delays it, as above.
pub(crate) async fn dispatch_next(state: &State, collection_id: CollectionId) {
    let next = async { state.db.connection().await?.operations().next_pending(collection_id).await };
    match next.await {
        Ok(Some(operation_id)) => dispatch(state, operation_id).await,
        Ok(None) => {}
        Err(error) => {
            let error = StageError::from(error).chain();
            tracing::warn!(collection.id = %collection_id, error, "the next operation is left to sweep");
        }
    }
}

fn warn(operation_id: OperationId, what: &'static str, error: impl Classify + Send + Sync + 'static) {
    tracing::warn!(operation.id = %operation_id, error = StageError::from(error).chain(), "{what}");
}
