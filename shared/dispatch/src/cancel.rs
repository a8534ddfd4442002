//! Cancelling an operation and its items.

use db::operations::Operation;
use db::{Db, DbError, Tx};
use domain::{CollectionId, ItemId, OperationId};
use lambda::StageError;
use queue::Queues;

use crate::end::{end_operation, start_next};
use crate::send::dispatch;
use crate::start::{LockedCollection, lock_if_exists};

/// A transaction that holds the lock of a collection row and, locked after it, of one of its
/// operations.
#[derive(Debug)]
pub struct LockedOperation<T> {
    collection: LockedCollection<T>,
    operation: Operation,
}

/// Locks an operation after its collection. Returns `None` if either does not exist.
pub async fn lock_operation<T: AsMut<Tx>>(
    tx: T,
    collection_id: CollectionId,
    id: OperationId,
) -> Result<Option<LockedOperation<T>>, DbError> {
    let Some(mut collection) = lock_if_exists(tx, collection_id).await? else {
        return Ok(None);
    };
    let operation = collection.tx().operations().lock(id).await?;
    Ok(operation.map(|operation| LockedOperation { collection, operation }))
}

impl<T: AsMut<Tx>> LockedOperation<T> {
    /// The operation as it is under the lock.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The transaction, for what changes together with the operation.
    pub fn tx(&mut self) -> &mut Tx {
        self.collection.tx()
    }
}

impl LockedOperation<Tx> {
    /// Cancels the operation and commits. A pending operation ends at once, and the next one is
    /// dispatched. A running one is asked to stop before its next item; it is dispatched so that
    /// scan ends what no stage is working on. A message that cannot be sent is left to sweep.
    pub async fn cancel(mut self, db: &Db, queues: &Queues) -> Result<(), DbError> {
        let id = self.operation.id;
        let is_first_request = self.operation.cancel_requested_at.is_none();
        let ended = self.tx().operations().cancel_pending(id).await?;
        if ended.is_none() {
            self.tx().operations().request_cancel(id).await?;
        }
        self.collection.into_tx().commit().await?;
        lambda::fault::point("api-committed");
        let sent = match ended {
            Some(ended) => start_next(db, queues, ended.collection_id).await,
            None if is_first_request => dispatch(db, queues, &[id]).await,
            None => Ok(()),
        };
        if let Err(error) = sent {
            tracing::warn!(
                operation.id = %id,
                error = error.chain(),
                "the operation after a cancellation could not be dispatched; sweep will dispatch it"
            );
        }
        Ok(())
    }
}

/// Cancels those of the items that are open, and ends the operation if they were its last. Returns how
/// many were open.
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
