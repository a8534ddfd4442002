//! Sync runs: each reads all sources of a collection again, with one append operation for each source.
//!
//! A run's progress follows from its operations, and ending one of them settles the run
//! ([`SyncRuns::settle`]). The schedule is in `schedule`.

use chrono::{DateTime, Utc};
use domain::{CollectionId, OperationId, SyncRunId, SyncRunStatus, SyncTrigger, UserId};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::{DbError, Page};

/// A sync run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncRun {
    /// ID of the run.
    pub id: SyncRunId,
    /// The collection whose sources it reads.
    pub collection_id: CollectionId,
    /// What started it.
    pub triggered_by: SyncTrigger,
    /// The user who started it; `None` if the schedule did or the account was deleted.
    pub user_id: Option<UserId>,
    /// Status of the run.
    pub status: SyncRunStatus,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When its last operation ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// Number of sources at the start.
    pub expected_sources: i32,
    /// Number of sources that were read and have no failed documents.
    pub completed_sources: i32,
    /// Number of sources that could not be read, or whose documents all failed.
    pub failed_sources: i32,
    /// Number of sources with some failed documents.
    pub partial_sources: i32,
    /// Errors by source.
    pub error_summary: Option<String>,
}

/// A sync run to start.
#[derive(Debug, Clone, Copy)]
pub struct NewSyncRun {
    /// The collection whose sources to read.
    pub collection_id: CollectionId,
    /// What starts it.
    pub triggered_by: SyncTrigger,
    /// The user who starts it, if one does.
    pub requested_by: Option<UserId>,
    /// The user whom its operations belong to.
    pub user_id: UserId,
}

/// The outcome of starting a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncStart {
    /// Its operations are queued.
    Started {
        /// The run.
        run: SyncRun,
        /// The first of its operations.
        first_operation: OperationId,
    },
    /// The collection's last run has not ended.
    AlreadyRunning,
    /// The collection has no sources that can be read again.
    NoSources,
}

/// Filters and paging of a list of sync runs.
#[derive(Debug, Clone)]
pub struct SyncRunQuery {
    /// The collection.
    pub collection_id: CollectionId,
    /// Only runs with one of these statuses; all if empty.
    pub statuses: Vec<SyncRunStatus>,
    /// Maximum number of runs to return.
    pub limit: i64,
    /// Number of runs to skip.
    pub offset: i64,
}

/// Reads and changes sync runs.
#[derive(Debug)]
pub struct SyncRuns<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> SyncRuns<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Starts a run: queues an append operation for each source of the collection except its uploads, in
    /// the order they were added. Of any number of concurrent callers, one starts it.
    pub async fn start(&mut self, new: NewSyncRun) -> Result<SyncStart, DbError> {
        let row = sqlx::query_file!(
            "queries/sync/start_sync_run.sql",
            new.collection_id.0,
            new.triggered_by.as_str(),
            new.requested_by.map(|id| id.0),
            new.user_id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        if let Some(row) = row {
            let first_operation = OperationId(row.first_operation);
            let run = SyncRunRow {
                id: row.id,
                collection_id: row.collection_id,
                triggered_by: row.triggered_by,
                user_id: row.user_id,
                status: row.status,
                started_at: row.started_at,
                completed_at: row.completed_at,
                expected_sources: row.expected_sources,
                completed_sources: row.completed_sources,
                failed_sources: row.failed_sources,
                partial_sources: row.partial_sources,
                error_summary: row.error_summary,
            };
            return Ok(SyncStart::Started { run: run.try_into()?, first_operation });
        }
        let has_sources = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                SELECT FROM collection_sources WHERE collection_id = $1 AND source_type NOT IN ('upload', 'push')
            ) AS "has_sources!""#,
            new.collection_id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(if has_sources { SyncStart::AlreadyRunning } else { SyncStart::NoSources })
    }

    /// Counts how the run's operations have ended, and ends the run if all of them have. Safe to repeat and
    /// to call concurrently. Returns how the run ended, if this call ended it.
    ///
    /// Call it after an operation of the run has ended in any way.
    pub async fn settle(&mut self, id: SyncRunId) -> Result<Option<SyncRunStatus>, DbError> {
        let mut tx = self.connection.begin().await?;
        // Lock order: collection, then run.
        sqlx::query_scalar!(
            "SELECT c.id FROM collections c JOIN collection_sync_runs r ON r.collection_id = c.id
            WHERE r.id = $1 FOR NO KEY UPDATE OF c",
            id.0,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let ended = sqlx::query_file_scalar!("queries/sync/settle_sync_run.sql", id.0)
            .fetch_optional(&mut *tx)
            .await?;
        tx.commit().await?;
        ended.map(|status| DbError::parse_label("collection_sync_runs", "status", &status)).transpose()
    }

    /// Returns running runs whose operations have all ended, because the end of the last one was
    /// interrupted. Oldest first.
    pub async fn list_unsettled(&mut self, limit: i64) -> Result<Vec<SyncRunId>, DbError> {
        let ids = sqlx::query_scalar!(
            "SELECT id FROM collection_sync_runs r
            WHERE status = 'running' AND NOT EXISTS (
                SELECT FROM operations o WHERE o.sync_run_id = r.id AND o.status IN ('pending', 'processing')
            )
            ORDER BY id LIMIT $1",
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(ids.into_iter().map(SyncRunId).collect())
    }

    /// Deletes runs that ended before this time, at most `limit`. Returns how many.
    pub async fn delete_ended(&mut self, before: DateTime<Utc>, limit: i64) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "DELETE FROM collection_sync_runs WHERE id IN (
                SELECT id FROM collection_sync_runs WHERE completed_at < $1 LIMIT $2
                FOR UPDATE SKIP LOCKED
            )",
            before,
            limit,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }

    /// Returns the run with this ID.
    pub async fn find(&mut self, id: SyncRunId) -> Result<Option<SyncRun>, DbError> {
        let row = sqlx::query_as!(
            SyncRunRow,
            "SELECT id, collection_id, triggered_by, user_id, status, started_at, completed_at,
                expected_sources, completed_sources, failed_sources, partial_sources, error_summary
            FROM collection_sync_runs WHERE id = $1",
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        row.map(SyncRun::try_from).transpose()
    }

    /// Returns the runs that match the query, newest first.
    pub async fn list(&mut self, query: &SyncRunQuery) -> Result<Page<SyncRun>, DbError> {
        let statuses: Vec<String> = query.statuses.iter().map(ToString::to_string).collect();
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "total!" FROM collection_sync_runs
            WHERE collection_id = $1 AND ($2::text[] = '{}' OR status = ANY ($2))"#,
            query.collection_id.0,
            &statuses,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let rows = sqlx::query_as!(
            SyncRunRow,
            "SELECT id, collection_id, triggered_by, user_id, status, started_at, completed_at,
                expected_sources, completed_sources, failed_sources, partial_sources, error_summary
            FROM collection_sync_runs
            WHERE collection_id = $1 AND ($2::text[] = '{}' OR status = ANY ($2))
            ORDER BY id DESC LIMIT $3 OFFSET $4",
            query.collection_id.0,
            &statuses,
            query.limit,
            query.offset,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let items = rows.into_iter().map(SyncRun::try_from).collect::<Result<_, _>>()?;
        Ok(Page { items, total })
    }
}

struct SyncRunRow {
    id: i64,
    collection_id: Uuid,
    triggered_by: String,
    user_id: Option<i64>,
    status: String,
    started_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
    expected_sources: i32,
    completed_sources: i32,
    failed_sources: i32,
    partial_sources: i32,
    error_summary: Option<String>,
}

impl TryFrom<SyncRunRow> for SyncRun {
    type Error = DbError;

    fn try_from(row: SyncRunRow) -> Result<Self, DbError> {
        Ok(Self {
            id: SyncRunId(row.id),
            collection_id: CollectionId(row.collection_id),
            triggered_by: DbError::parse_label("collection_sync_runs", "triggered_by", &row.triggered_by)?,
            user_id: row.user_id.map(UserId),
            status: DbError::parse_label("collection_sync_runs", "status", &row.status)?,
            started_at: row.started_at,
            completed_at: row.completed_at,
            expected_sources: row.expected_sources,
            completed_sources: row.completed_sources,
            failed_sources: row.failed_sources,
            partial_sources: row.partial_sources,
            error_summary: row.error_summary,
        })
    }
}

#[cfg(test)]
mod tests;
