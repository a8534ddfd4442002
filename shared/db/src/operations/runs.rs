//! How an operation runs: its turn and its listing.
//!
//! How it ends is in `operation_ends`.

use std::time::Duration;

use domain::{CollectionId, OperationId, SourceId};

use super::operation::Operations;
use crate::DbError;

/// The index that admits one running operation per collection.
const ONE_RUNNING: &str = "uq_operations_one_running";

impl Operations<'_> {
    /// Starts the operation if it is the oldest open one of its collection. Returns whether this
    /// call started it: of any number of simultaneous callers, one is told so.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim(&mut self, id: OperationId) -> Result<bool, DbError> {
        let claimed = sqlx::query_file_scalar!("queries/operations/claim_operation.sql", id.0)
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

    /// Whether the operation is to go on: running, not to be cancelled, its collection alive. Asked
    /// before each item.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_wanted(&mut self, id: OperationId) -> Result<bool, DbError> {
        let is_wanted = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                SELECT FROM operations o JOIN collections c ON c.id = o.collection_id
                WHERE o.uuid = $1 AND o.status = 'processing' AND o.cancel_requested_at IS NULL
                    AND c.deleted_at IS NULL
            ) AS "is_wanted!""#,
            id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(is_wanted)
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

    /// Notes that the listing passed over things that may not be read: it is not a whole one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn note_unreadable(&mut self, id: OperationId, count: u64) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE operations SET updated_at = now(), meta = meta || jsonb_build_object(
                'unreadable', coalesce((meta ->> 'unreadable')::bigint, 0) + $2::bigint
            )
            WHERE uuid = $1 AND status = 'processing'",
            id.0,
            i64::try_from(count).unwrap_or(i64::MAX),
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
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
}

#[cfg(test)]
mod tests;
