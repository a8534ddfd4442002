//! How an operation runs: its turn, its listing, its end.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{CollectionId, ErrorCategory, OperationId, OperationStatus, OperationType, SourceId, SyncRunId};

use crate::DbError;
use crate::operations::Operations;
use crate::sync_runs::SyncRuns;

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

/// The index that admits one running operation per collection.
const ONE_RUNNING: &str = "uq_operations_one_running";

impl Operations<'_> {
    /// Starts the operation if it is the oldest open one of its collection. Returns whether this
    /// call started it: of any number of simultaneous callers, one is told so.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim(&mut self, id: OperationId) -> Result<bool, DbError> {
        let claimed = sqlx::query_file_scalar!("queries/claim_operation.sql", id.0)
            .fetch_one(&mut *self.connection)
            .await
            .map_err(DbError::from);
        match claimed {
            Ok(is_claimed) => Ok(is_claimed),
            // An older one got its number first and was committed last: it waits for this one.
            Err(error) if error.constraint() == Some(ONE_RUNNING) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The operation that works on this source at the moment, if there is one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn running_of_source(&mut self, source_id: SourceId) -> Result<Option<OperationId>, DbError> {
        let id = sqlx::query_scalar!(
            "SELECT uuid FROM operations WHERE source_id = $1 AND status = 'processing'",
            source_id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(id.map(OperationId))
    }

    /// The append operation of this source that has not started yet, if there is one. It cannot
    /// start before the caller's transaction ends, so more can be put on its work list.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lock_pending_append(&mut self, source_id: SourceId) -> Result<Option<OperationId>, DbError> {
        let id = sqlx::query_scalar!(
            "SELECT uuid FROM operations
            WHERE source_id = $1 AND type = 'append' AND status = 'pending'
            ORDER BY id LIMIT 1 FOR UPDATE",
            source_id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(id.map(OperationId))
    }

    /// Notes where the listing goes on, if it still is where the caller took it up. Returns
    /// whether it was: if not, somebody else is listing, further on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn advance_cursor(
        &mut self,
        id: OperationId,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<bool, DbError> {
        let done = sqlx::query!(
            "UPDATE operations SET scan_cursor = $3, dispatched_at = now(), updated_at = now()
            WHERE uuid = $1 AND status = 'processing' AND scan_finished_at IS NULL
                AND scan_cursor IS NOT DISTINCT FROM $2",
            id.0,
            from,
            to,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Notes that every document of the source is in the work list.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mark_scan_finished(&mut self, id: OperationId) -> Result<bool, DbError> {
        let done = sqlx::query!(
            "UPDATE operations SET scan_finished_at = now(), updated_at = now()
            WHERE uuid = $1 AND status = 'processing' AND scan_finished_at IS NULL",
            id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends the operation if its source is listed and none of its items is open, and settles its
    /// collection's and source's counts in the same statement. Of any number of simultaneous
    /// callers, one is told that it ended the operation.
    ///
    /// Call it after the change to the last item is committed: then the later of two such changes
    /// is sure to see the other one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn complete_if_done(&mut self, id: OperationId) -> Result<Option<FinishedOperation>, DbError> {
        self.finish(id, OperationStatus::Completed, None, None).await
    }

    /// Ends an operation that cannot go on; its open items end with the same reason. Takes two
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
        self.close_items(id, "failed", Some(reason), Some(category)).await?;
        self.finish(id, OperationStatus::Failed, Some(reason), Some(category)).await
    }

    /// Takes everything that is not finished off the work list of an operation that was
    /// cancelled, and ends its listing. Call it in a transaction, and
    /// [`Self::complete_if_done`] after it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn cancel_open_items(&mut self, id: OperationId) -> Result<(), DbError> {
        self.close_items(id, "cancelled", None, None).await?;
        self.mark_scan_finished(id).await?;
        Ok(())
    }

    /// The operation whose turn it is in a collection where none is running.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_pending(
        &mut self,
        collection_id: CollectionId,
    ) -> Result<Option<OperationId>, DbError> {
        let next = sqlx::query_scalar!(
            "SELECT uuid FROM operations WHERE collection_id = $1 AND status = 'pending' ORDER BY id LIMIT 1",
            collection_id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(next.map(OperationId))
    }

    /// Operations whose message seems lost: those whose turn it is and that were sent for longer
    /// than `pending_age` ago, and those whose listing has not moved for `running_age`. Oldest
    /// first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_overdue(
        &mut self,
        pending_age: Duration,
        running_age: Duration,
        limit: i64,
    ) -> Result<Vec<OperationId>, DbError> {
        let ids = sqlx::query_scalar!(
            "SELECT uuid FROM operations o
            WHERE (
                status = 'pending'
                AND coalesce(dispatched_at, created_at) < now() - make_interval(secs => $1)
                AND NOT EXISTS (
                    SELECT FROM operations before
                    WHERE before.collection_id = o.collection_id AND before.id < o.id
                        AND before.status IN ('pending', 'processing')
                )
            ) OR (
                status = 'processing' AND scan_finished_at IS NULL
                AND coalesce(dispatched_at, created_at) < now() - make_interval(secs => $2)
            )
            ORDER BY id LIMIT $3",
            pending_age.as_secs_f64(),
            running_age.as_secs_f64(),
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(ids.into_iter().map(OperationId).collect())
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
            ORDER BY id LIMIT $1",
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(ids.into_iter().map(OperationId).collect())
    }

    async fn finish(
        &mut self,
        id: OperationId,
        outcome: OperationStatus,
        reason: Option<&str>,
        category: Option<ErrorCategory>,
    ) -> Result<Option<FinishedOperation>, DbError> {
        let row = sqlx::query_file!(
            "queries/finish_operation.sql",
            id.0,
            outcome.as_str(),
            reason,
            category.map(ErrorCategory::as_str),
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

    async fn close_items(
        &mut self,
        id: OperationId,
        state: &str,
        reason: Option<&str>,
        category: Option<ErrorCategory>,
    ) -> Result<(), DbError> {
        sqlx::query_file!(
            "queries/close_items.sql",
            id.0,
            state,
            reason,
            category.map(ErrorCategory::as_str),
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}
