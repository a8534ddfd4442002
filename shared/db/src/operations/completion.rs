//! How an operation ends: done, failed, cancelled.
//!
//! Items end before their operation does. Nothing is put on a work list whose operation's listing
//! has ended (see `operation_items`), so an ended operation has no open items.

use chrono::{DateTime, Utc};
use domain::{CollectionId, ErrorCategory, ItemId, OperationId, OperationStatus, OperationType, SyncRunId};
use sqlx::Connection as _;

use super::items::OperationItems;
use super::operation::Operations;
use crate::DbError;
use crate::sync::SyncRuns;

/// Items that are ended by one statement.
const PAGE: i64 = 5000;

/// An operation that has just ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedOperation {
    /// The collection that is free for its next operation.
    pub collection_id: CollectionId,
    /// What the operation did.
    pub operation_type: OperationType,
    /// How it ended.
    pub status: OperationStatus,
    /// When it ended.
    pub completed_at: DateTime<Utc>,
}

/// How far an operation is that may have come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Something is left to do, or it ended before.
    Open,
    /// All documents of a reindex are in the new index, which does not answer yet.
    AwaitsSwap,
    /// It has ended now.
    Ended(FinishedOperation),
}

/// How an operation and what is open in it end before they are done.
#[derive(Debug, Clone, Copy)]
pub(crate) enum EarlyEnd<'a> {
    /// Somebody asked for it.
    Cancelled,
    /// It could not go on.
    Failed { reason: &'a str, category: ErrorCategory },
}

impl<'a> EarlyEnd<'a> {
    /// The label that operations, items and documents share.
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
    /// Ends the operation if its source is listed and none of its items is open, and settles its
    /// collection's and source's counts in the same statement. Of any number of simultaneous
    /// callers, one is told that it ended the operation.
    ///
    /// Call it after the change to the last item is committed: then the later of two such changes
    /// is sure to see the other one. One statement while something is left to do.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_if_done(&mut self, id: OperationId) -> Result<Ending, DbError> {
        if !self.has_nothing_left(id).await? {
            return Ok(Ending::Open);
        }
        // What is counted at the end is counted once nobody else changes it: a statement counts what
        // was there when it began, so it begins when the collection is held.
        let mut tx = self.connection.begin().await?;
        let mut operations = Operations::new(&mut tx);
        operations.lock_collection(id).await?;
        let ending = operations.finish(id, "completed", None).await?;
        tx.commit().await?;
        Ok(match ending {
            Some(unfinished) if unfinished.status == OperationStatus::Processing => Ending::AwaitsSwap,
            Some(finished) => Ending::Ended(finished),
            None => Ending::Open,
        })
    }

    /// The operation, if [`Self::end_if_done`] has ended it now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn complete_if_done(&mut self, id: OperationId) -> Result<Option<FinishedOperation>, DbError> {
        match self.end_if_done(id).await? {
            Ending::Ended(finished) => Ok(Some(finished)),
            Ending::Open | Ending::AwaitsSwap => Ok(None),
        }
    }

    /// Ends an operation that cannot go on; its open items end with the same reason. Takes several
    /// statements: call it in a transaction.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mark_failed(
        &mut self,
        id: OperationId,
        reason: &str,
        category: ErrorCategory,
    ) -> Result<Option<FinishedOperation>, DbError> {
        let end = EarlyEnd::Failed { reason, category };
        self.lock_collection(id).await?;
        self.close_items(id, end).await?;
        self.finish(id, end.as_str(), Some(end)).await
    }

    /// Takes everything that is not finished off the work list of an operation that was
    /// cancelled, and ends its listing. Takes several statements: call it in a transaction, and
    /// [`Self::complete_if_done`] after it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn cancel_open_items(&mut self, id: OperationId) -> Result<(), DbError> {
        self.lock_collection(id).await?;
        // First of what it changes: whoever lists the source puts nothing more on the work list from here on.
        self.mark_scan_finished(id).await?;
        self.close_items(id, EarlyEnd::Cancelled).await
    }

    /// Asks a running operation to stop before its next item. Returns whether it is running.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// Ends an operation whose turn has not come; nothing if it has. Takes several statements:
    /// call it in a transaction.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn cancel_waiting(&mut self, id: OperationId) -> Result<Option<FinishedOperation>, DbError> {
        self.lock_collection(id).await?;
        let waits = sqlx::query!(
            "UPDATE operations SET cancel_requested_at = now(), updated_at = now()
            WHERE uuid = $1 AND status = 'pending'",
            id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        if waits.rows_affected() == 0 {
            return Ok(None);
        }
        self.close_items(id, EarlyEnd::Cancelled).await?;
        self.finish(id, EarlyEnd::Cancelled.as_str(), None).await
    }

    /// Running operations with nothing left to do: their last finisher did not get to say so.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_finishable(&mut self, limit: i64) -> Result<Vec<OperationId>, DbError> {
        let ids = sqlx::query_scalar!(
            "SELECT uuid FROM operations o
            WHERE status = 'processing' AND scan_finished_at IS NOT NULL
                AND NOT EXISTS (
                    SELECT FROM operation_items i
                    WHERE i.operation_id = o.id AND i.state IN ('listed', 'staged', 'chunked')
                )
                -- Whoever finished the last document of a reindex has asked for the swap.
                AND (type <> 'reindex' OR coalesce(dispatched_at, created_at) < now() - interval '1 minute')
            ORDER BY id LIMIT $1",
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(ids.into_iter().map(OperationId).collect())
    }

    /// Forgets operations that ended before this moment and have no work list any more (see
    /// `OperationItems::delete_of_ended`), `limit` at most. What the audit log says of them stays.
    /// Returns how many.
    ///
    /// # Errors
    /// When the database does not answer.
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

    async fn has_nothing_left(&mut self, id: OperationId) -> Result<bool, DbError> {
        let row = sqlx::query!(
            "SELECT id FROM operations o
            WHERE uuid = $1 AND status = 'processing' AND scan_finished_at IS NOT NULL
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

    /// Call it while the collection is held.
    async fn finish(
        &mut self,
        id: OperationId,
        outcome: &str,
        end: Option<EarlyEnd<'_>>,
    ) -> Result<Option<FinishedOperation>, DbError> {
        let row = sqlx::query_file!(
            "queries/operations/finish_operation.sql",
            id.0,
            outcome,
            end.and_then(EarlyEnd::reason),
            end.and_then(EarlyEnd::category),
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        if let Some(run_id) = row.sync_run_id {
            SyncRuns::new(self.connection).settle(SyncRunId(run_id)).await?;
        }
        Ok(Some(FinishedOperation {
            collection_id: CollectionId(row.collection_id),
            operation_type: DbError::word("operations", "type", &row.operation_type)?,
            status: DbError::word("operations", "status", &row.status)?,
            completed_at: row.completed_at,
        }))
    }

    /// Holds the operation's collection, before its documents and what is counted of them: whoever
    /// changes several of these does it in this order, and none waits for another in a circle.
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

    /// Ends all open items of an operation that has not ended, and their documents with them.
    async fn close_items(&mut self, id: OperationId, end: EarlyEnd<'_>) -> Result<(), DbError> {
        // Nothing is put on the list while the row is held, and nothing once the operation ended.
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
