//! Sends the items of an operation, as many at a time as its window allows.

use db::Db;
use domain::{ItemId, OperationId, ScanMessage};
use lambda::StageError;
use queue::Queues;

/// Items in one message.
const ITEMS_PER_MESSAGE: usize = 25;

/// Sends the next items of a running operation to be staged, as many as its window has room for. Returns how many.
///
/// Of concurrent callers one sends; the items that the others have ended are seen by the next one. If none comes, sweep
/// finds an operation without an item under way.
///
/// # Errors
/// Returns the error of the queue or the database. Messages may have been sent; a repeated call sends them again.
pub async fn send_next_items(
    db: &Db,
    queues: &Queues,
    operation_id: OperationId,
) -> Result<usize, StageError> {
    let mut tx = db.begin().await?;
    if !tx.operations().lock_window(operation_id).await? {
        return Ok(0);
    }
    let ids = tx.operations().list_next_items(operation_id).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let message = |group: &[ItemId]| ScanMessage::StageItems { operation_id, item_ids: group.to_vec() };
    // Before the commit: items that were marked and not sent would be lost.
    queues.send_scan(&ids.chunks(ITEMS_PER_MESSAGE).map(message).collect::<Vec<_>>()).await?;
    tx.operation_items().mark_dispatched(&ids).await?;
    tx.commit().await?;
    Ok(ids.len())
}
