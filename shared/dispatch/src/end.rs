//! The end of an operation, and the start of the collection's next one.

use db::Db;
use db::operations::Ending;
use domain::{CollectionId, OperationId};
use lambda::StageError;
use queue::Queues;

use crate::deliveries::send_deliveries_or_leave;
use crate::send::dispatch;
use crate::window::send_next_items;

/// Ends the operation if nothing is left to do in it, and dispatches the collection's next one. If the items that
/// ended have made room for others of the operation, sends those. Returns whether this call ended it. A reindex whose
/// new index is complete is sent to scan, which swaps the indexes.
pub async fn end_operation(db: &Db, queues: &Queues, operation_id: OperationId) -> Result<bool, StageError> {
    let ending = db.connection().await?.operations().end_if_done(operation_id).await?;
    let finished = match ending {
        Ending::Ended(finished) => finished,
        Ending::Open => return Ok(false),
        Ending::HasRoom => {
            send_next_items(db, queues, operation_id).await?;
            return Ok(false);
        }
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

/// Dispatches the oldest pending operation of a collection in which none is running. Call it when an operation has ended: it
/// also sends what webhooks are notified of that.
pub async fn start_next(db: &Db, queues: &Queues, collection_id: CollectionId) -> Result<(), StageError> {
    let next = db.connection().await?.operations().next_pending(collection_id).await?;
    dispatch(db, queues, next.as_slice()).await?;
    send_deliveries_or_leave(db, queues).await;
    Ok(())
}
