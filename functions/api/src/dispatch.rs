//! Dispatching operations after the transaction that inserted them.

use domain::{Classify, CollectionId, OperationId, ScanMessage};
use lambda::StageError;

use crate::State;

/// Sends the message that starts an operation. Errors are only logged: the operation is committed, and the
/// sweep function dispatches it later.
pub(crate) async fn dispatch(state: &State, operation_id: OperationId) {
    lambda::fault::point("api-committed");
    if let Err(error) = state.queues.send_scan(&[ScanMessage::RunOperation { operation_id }]).await {
        warn(operation_id, "failed to dispatch the operation; sweep will retry", error);
        return;
    }
    let marked = async { state.db.connection().await?.operations().mark_dispatched(&[operation_id]).await };
    if let Err(error) = marked.await {
        warn(operation_id, "failed to mark the operation as dispatched; sweep may send it again", error);
    }
}

/// Dispatches the oldest pending operation of a collection, after another operation has ended. Errors are
/// only logged, as in [`dispatch`].
pub(crate) async fn dispatch_next(state: &State, collection_id: CollectionId) {
    let next = async { state.db.connection().await?.operations().next_pending(collection_id).await };
    match next.await {
        Ok(Some(operation_id)) => dispatch(state, operation_id).await,
        Ok(None) => {}
        Err(error) => {
            let error = StageError::from(error).chain();
            tracing::warn!(collection.id = %collection_id, error, "failed to find the next operation; sweep will dispatch it");
        }
    }
}

fn warn(operation_id: OperationId, what: &'static str, error: impl Classify + Send + Sync + 'static) {
    tracing::warn!(operation.id = %operation_id, error = StageError::from(error).chain(), "{what}");
}
