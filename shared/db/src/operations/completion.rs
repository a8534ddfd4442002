//! How operations end: completed, failed or cancelled.
//!
//! Items end before their operation does. No item is added to a work list whose operation's listing has
//! ended (see `items`), so an ended operation has no open items.

use chrono::{DateTime, Utc};
use domain::{CollectionId, ErrorCategory, ItemId, OperationId, OperationStatus, OperationType};
use sqlx::Connection as _;

use super::items::OperationItems;
use super::operation::Operations;
use super::windows::Remaining;
use crate::DbError;

/// Number of items that one statement ends.
const PAGE: i64 = 5000;

/// An operation that has just ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedOperation {
    /// The collection, whose next operation can now start.
    pub collection_id: CollectionId,
    /// Type of the operation.
    pub operation_type: OperationType,
    /// How it ended.
    pub status: OperationStatus,
    /// When it ended.
    pub completed_at: DateTime<Utc>,
}

/// The state of an operation after an attempt to end it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It has open items, or it ended before.
    Open,
    /// It has open items, and its window has room for some that are not sent.
    HasRoom,
    /// All documents of a reindex are in the new index, which is not the collection's index yet.
    AwaitsSwap,
    /// This call ended it.
    Ended(FinishedOperation),
}

/// How an operation and its open items end before they are completed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EarlyEnd<'a> {
    /// A user cancelled the operation.
    Cancelled,
    /// The operation cannot continue.
    Failed { reason: &'a str, category: ErrorCategory },
}

impl<'a> EarlyEnd<'a> {
    /// Returns the status label, which operations, items and documents share.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Failed { .. } => "failed",
        }
    }

    pub(crate) const fn reason(self) -> Option<&'a str> {
        match self {
            Self::Cancelled => None,
            Self::Failed { reason, .. } => Some(reason),
        }
    }

    pub(crate) fn category(self) -> Option<&'static str> {
        match self {
            Self::Cancelled => None,
            Self::Failed { category, .. } => Some(category.as_str()),
        }
    }
}

impl Operations<'_> {
    /// Ends the operation if its source is listed and it has no open items. Counters and status of its
    /// collection and source, metrics, audit entry and its sync run change in the same
    /// transaction. Of any number of concurrent callers, one gets [`Ending::Ended`].
    ///
    /// Call it after the change to the last item is committed, so that the later of two concurrent changes
    /// sees the other one. Runs a single statement while there are open items.
    pub async fn end_if_done(&mut self, id: OperationId) -> Result<Ending, DbError> {
        match self.remaining(id).await? {
            Some(Remaining::Nothing) => {}
            Some(Remaining::ItemsToSend) => return Ok(Ending::HasRoom),
            Some(Remaining::Items) | None => return Ok(Ending::Open),
        }
        // A statement counts what is visible when it starts, so lock the collection first: its counters
        // change only under this lock.
        let mut tx = self.connection.begin().await?;
        let mut operations = Operations::new(&mut tx);
        operations.lock_collection(id).await?;
        let finished = operations.finish(id, "completed", None).await?;
        let awaits_swap = finished.is_none() && operations.awaits_swap(id).await?;
        tx.commit().await?;
        Ok(match finished {
            Some(finished) => Ending::Ended(finished),
            None if awaits_swap => Ending::AwaitsSwap,
            None => Ending::Open,
        })
    }

    /// Returns the operation if [`Self::end_if_done`] ended it.
    pub async fn complete_if_done(&mut self, id: OperationId) -> Result<Option<FinishedOperation>, DbError> {
        match self.end_if_done(id).await? {
            Ending::Ended(finished) => Ok(Some(finished)),
            Ending::Open | Ending::HasRoom | Ending::AwaitsSwap => Ok(None),
        }
    }

    /// Fails an operation that cannot continue; its open items fail with the same reason. Runs in a
    /// transaction of its own, or in a savepoint of the caller's. Returns `None` if it ended before.
    pub async fn mark_failed(
        &mut self,
        id: OperationId,
        reason: &str,
        category: ErrorCategory,
    ) -> Result<Option<FinishedOperation>, DbError> {
        let end = EarlyEnd::Failed { reason, category };
        let mut tx = self.connection.begin().await?;
        let mut operations = Operations::new(&mut tx);
        operations.lock_collection(id).await?;
        operations.close_items(id, end).await?;
        let finished = operations.finish(id, end.as_str(), Some(end)).await?;
        tx.commit().await?;
        Ok(finished)
    }

    /// Cancels the open items of a cancelled operation and ends its listing. Runs several statements: call
    /// it in a transaction, and [`Self::complete_if_done`] after the commit.
    pub async fn cancel_open_items(&mut self, id: OperationId) -> Result<(), DbError> {
        self.lock_collection(id).await?;
        // The first change, so that no further items are added to the work list.
        self.mark_scan_finished(id).await?;
        self.close_items(id, EarlyEnd::Cancelled).await
    }

    /// Requests the cancellation of a running operation, which stops before its next item. Returns whether
    /// it is running.
    pub async fn request_cancel(&mut self, id: OperationId) -> Result<bool, DbError> {
        let done = sqlx::query!(
            "UPDATE operations
            SET cancel_requested_at = coalesce(cancel_requested_at, now()), updated_at = now()
            WHERE uuid = $1 AND status = 'processing'",
            id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Cancels an operation that is still pending; returns `None` if it is not. Runs in a transaction of
    /// its own, or in a savepoint of the caller's.
    pub async fn cancel_pending(&mut self, id: OperationId) -> Result<Option<FinishedOperation>, DbError> {
        let mut tx = self.connection.begin().await?;
        let mut operations = Operations::new(&mut tx);
        operations.lock_collection(id).await?;
        let waits = sqlx::query!(
            "UPDATE operations SET cancel_requested_at = now(), updated_at = now()
            WHERE uuid = $1 AND status = 'pending'",
            id.0,
        )
        .execute(&mut *operations.connection)
        .await?;
        if waits.rows_affected() == 0 {
            // Releases the lock now; dropping the transaction does so with the connection's next use only.
            tx.rollback().await?;
            return Ok(None);
        }
        operations.close_items(id, EarlyEnd::Cancelled).await?;
        let finished = operations.finish(id, EarlyEnd::Cancelled.as_str(), None).await?;
        tx.commit().await?;
        Ok(finished)
    }

    /// Returns running operations that are done, but whose last worker did not end them.
    pub async fn list_finishable(&mut self, limit: i64) -> Result<Vec<OperationId>, DbError> {
        let ids = sqlx::query_scalar!(
            "SELECT uuid FROM operations o
            WHERE status = 'processing' AND scan_finished_at IS NOT NULL
                AND NOT EXISTS (
                    SELECT FROM operation_items i
                    WHERE i.operation_id = o.id AND i.state IN ('listed', 'staged', 'chunked')
                )
                -- The worker that finished the last document of a reindex has dispatched the swap.
                AND (type <> 'reindex' OR coalesce(dispatched_at, created_at) < now() - interval '1 minute')
            ORDER BY id LIMIT $1",
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(ids.into_iter().map(OperationId).collect())
    }

    /// Deletes operations that ended before this time and have no items any more (see
    /// `OperationItems::delete_of_ended`), at most `limit`. Their audit entries stay. Returns how many.
    pub async fn delete_ended(&mut self, before: DateTime<Utc>, limit: i64) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "DELETE FROM operations WHERE id IN (
                SELECT id FROM operations o
                WHERE o.completed_at < $1
                    AND NOT EXISTS (SELECT FROM operation_items i WHERE i.operation_id = o.id)
                LIMIT $2
                FOR UPDATE SKIP LOCKED
            )",
            before,
            limit,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }

    /// Returns whether the operation is a reindex that only lacks the swap of its index.
    async fn awaits_swap(&mut self, id: OperationId) -> Result<bool, DbError> {
        let row = sqlx::query!(
            "SELECT id FROM operations o
            WHERE uuid = $1 AND type = 'reindex' AND status = 'processing' AND scan_finished_at IS NOT NULL
                AND NOT EXISTS (
                    SELECT FROM operation_items i
                    WHERE i.operation_id = o.id AND i.state IN ('listed', 'staged', 'chunked')
                )",
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(row.is_some())
    }

    /// Locks the operation's collection. Lock order: collection, then source, then operation, then
    /// document; avoids deadlocks. The counters of a collection and its sources change only under this
    /// lock.
    pub(crate) async fn lock_collection(&mut self, id: OperationId) -> Result<(), DbError> {
        sqlx::query!(
            "SELECT c.id FROM operations o JOIN collections c ON c.id = o.collection_id
            WHERE o.uuid = $1 FOR NO KEY UPDATE OF c",
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Ends all open items of an operation that has not ended, and their documents.
    async fn close_items(&mut self, id: OperationId, end: EarlyEnd<'_>) -> Result<(), DbError> {
        // Items are added under a lock on the operation's row, and not to one that has ended.
        self.lock(id).await?;
        loop {
            let closed = sqlx::query_file_scalar!(
                "queries/operations/close_items.sql",
                id.0,
                end.as_str(),
                end.reason(),
                end.category(),
                PAGE,
            )
            .fetch_all(&mut *self.connection)
            .await?;
            if closed.is_empty() {
                return Ok(());
            }
            let closed: Vec<ItemId> = closed.into_iter().map(ItemId).collect();
            OperationItems::new(self.connection).release_documents(&closed, end).await?;
        }
    }
}

#[cfg(test)]
mod cancellation_tests;
