//! How operations run: claiming and listing. How they end is in `completion`.

use std::time::Duration;

use domain::{CollectionId, OperationId, OperationType, SourceId};

use super::operation::{Operation, Operations};
use crate::DbError;

/// The index that allows one running operation per collection.
const ONE_RUNNING: &str = "uq_operations_one_running";

impl Operations<'_> {
    /// Returns the collection's first pending operation of a type.
    pub async fn find_pending(
        &mut self,
        collection_id: CollectionId,
        operation_type: OperationType,
    ) -> Result<Option<Operation>, DbError> {
        let pending = sqlx::query_scalar!(
            "SELECT uuid FROM operations
            WHERE collection_id = $1 AND type = $2::text::operation_type AND status = 'pending'
            ORDER BY id LIMIT 1",
            collection_id.0,
            operation_type.as_str(),
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        match pending {
            Some(id) => self.find(OperationId(id)).await,
            None => Ok(None),
        }
    }

    /// Claims the operation if it is the oldest open one of its collection. Returns whether this call
    /// claimed it; of any number of concurrent callers, one does.
    pub async fn claim(&mut self, id: OperationId) -> Result<bool, DbError> {
        let claimed = sqlx::query_file_scalar!("queries/operations/claim_operation.sql", id.0)
            .fetch_one(&mut *self.connection)
            .await
            .map_err(DbError::from);
        match claimed {
            Ok(is_claimed) => Ok(is_claimed),
            // An older operation whose transaction was committed later waits for this one.
            Err(error) if error.constraint() == Some(ONE_RUNNING) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns the running operation of this source, if there is one.
    pub async fn running_of_source(&mut self, source_id: SourceId) -> Result<Option<OperationId>, DbError> {
        let id = sqlx::query_scalar!(
            "SELECT uuid FROM operations WHERE source_id = $1 AND status = 'processing'",
            source_id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(id.map(OperationId))
    }

    /// Returns the source's pending append operation, if there is one, and locks it: it cannot start before
    /// the transaction ends, so items can be added to its work list.
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

    /// Returns whether the operation should continue: it is running and not to be cancelled, and its
    /// collection is not deleted. Called before each item.
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

    /// Advances the cursor of the listing if it is still where the caller started. Returns whether it was;
    /// if not, another worker is listing from a later position.
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

    /// Records that the listing skipped entries that cannot be read, so it is incomplete.
    pub async fn record_unreadable(&mut self, id: OperationId, count: u64) -> Result<(), DbError> {
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

    /// Records that every document of the source is on the work list. Returns whether it was not recorded
    /// before.
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

    /// Returns the operation that is next in a collection without a running one.
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

    /// Returns for how long the oldest open item of an open operation has been on its work list; for an operation without
    /// open items, how long ago it made progress. 0 if no operation is open.
    pub async fn oldest_open_age(&mut self) -> Result<Duration, DbError> {
        let seconds = sqlx::query_scalar!(
            r#"SELECT coalesce(extract(epoch FROM now() - min(coalesce(i.created_at, o.updated_at))), 0)::float8 AS "age!"
            FROM operations o
            LEFT JOIN LATERAL (
                SELECT created_at FROM operation_items
                WHERE operation_id = o.id AND state IN ('listed', 'staged', 'chunked')
                ORDER BY id LIMIT 1
            ) i ON true
            WHERE o.status IN ('pending', 'processing')"#,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(Duration::try_from_secs_f64(seconds).unwrap_or_default())
    }

    /// Returns operations whose message may be lost: next ones that were dispatched longer than
    /// `pending_age` ago, and running ones whose listing has made no progress for `running_age`. Oldest
    /// first.
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
