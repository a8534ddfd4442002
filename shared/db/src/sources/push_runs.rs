//! Push runs: a client names every document that its source has; what it has not named is gone at the end.

use chrono::{DateTime, Utc};
use domain::{
    CollectionId, DocumentId, OnMissing, OperationId, PushRunId, PushRunStatus, PushSource, SourceId, UserId,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::DbError;

/// A push run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushRun {
    /// ID of the run.
    pub id: PushRunId,
    /// Its collection.
    pub collection_id: CollectionId,
    /// Its source.
    pub source_id: SourceId,
    /// The path of its source.
    pub source_path: String,
    /// Status of the run.
    pub status: PushRunStatus,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// The documents that it named; of a run that had no effect, none.
    pub named: i64,
    /// The documents that were gone and removed at its end, and those that were kept as stale.
    pub gone: Gone,
    /// The operation that removes them.
    pub operation_id: Option<OperationId>,
}

/// How many documents were gone at the end of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gone {
    /// Those that were removed.
    pub removed: i64,
    /// Those that were kept and marked as stale.
    pub stale: i64,
}

/// Reads and changes push runs.
#[derive(Debug)]
pub struct PushRuns<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> PushRuns<'c> {
    /// The index that allows one open run per source.
    pub const ONE_OPEN: &'static str = "uq_push_runs_one_open";

    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Inserts an open run.
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] with [`Self::ONE_OPEN`] if the source has an open run.
    pub async fn insert(
        &mut self,
        id: PushRunId,
        collection_id: CollectionId,
        source_id: SourceId,
        user_id: UserId,
    ) -> Result<(), DbError> {
        sqlx::query!(
            "INSERT INTO push_runs (id, collection_id, source_id, user_id) VALUES ($1, $2, $3, $4)",
            id.0,
            collection_id.0,
            source_id.0,
            user_id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Returns a run.
    pub async fn find(&mut self, id: PushRunId) -> Result<Option<PushRun>, DbError> {
        let row = sqlx::query_as!(
            PushRunRow,
            r#"SELECT r.id, r.collection_id, r.source_id, s.source_path, r.status::text AS "status!", r.started_at,
                r.ended_at, r.removed, r.stale, r.operation_id,
                coalesce(r.named, (SELECT count(*) FROM push_run_documents WHERE run_id = r.id)) AS "named!"
            FROM push_runs r JOIN collection_sources s ON s.id = r.source_id
            WHERE r.id = $1"#,
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        row.map(PushRun::try_from).transpose()
    }

    /// Returns the open run of a source, and keeps it open until the transaction ends. Take the lock of the collection row
    /// first, if at all.
    pub async fn hold_open(
        &mut self,
        collection_id: CollectionId,
        source: &PushSource,
    ) -> Result<Option<PushRunId>, DbError> {
        let id = sqlx::query_scalar!(
            "SELECT r.id FROM push_runs r JOIN collection_sources s ON s.id = r.source_id
            WHERE s.collection_id = $1 AND s.source_path = $2 AND r.status = 'open'
            FOR SHARE OF r",
            collection_id.0,
            source.source_path(),
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(id.map(PushRunId))
    }

    /// Names documents that the source has. Naming one twice changes nothing.
    pub async fn name(&mut self, id: PushRunId, uris: &[String]) -> Result<(), DbError> {
        sqlx::query!(
            "INSERT INTO push_run_documents (run_id, uri) SELECT $1, entry.uri FROM unnest($2::text[]) AS entry (uri)
            ON CONFLICT DO NOTHING",
            id.0,
            uris,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Records that these documents of the run's source were seen. Returns those that it does not have, and that are not
    /// on their way either: they are to be pushed.
    pub async fn mark_seen(&mut self, run: &PushRun, uris: &[String]) -> Result<Vec<String>, DbError> {
        let unknown = sqlx::query_file_scalar!(
            "queries/sources/mark_seen.sql",
            run.source_id.0,
            uris,
            run.collection_id.0,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(unknown)
    }

    /// Locks the run until the transaction ends, so that no document can be named, and returns whether it is open. Take
    /// the lock of the collection row first.
    pub async fn lock_open(&mut self, id: PushRunId) -> Result<bool, DbError> {
        let found = sqlx::query_scalar!(
            "SELECT id FROM push_runs WHERE id = $1 AND status = 'open' FOR UPDATE",
            id.0
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(found.is_some())
    }

    /// Deletes the documents of a locked run's source that it has not named, or marks them as stale. What is in deleted
    /// ones is deleted with them. Returns the deleted ones, and how many became stale.
    pub async fn handle_gone(
        &mut self,
        run: &PushRun,
        on_missing: OnMissing,
    ) -> Result<(Vec<DocumentId>, i64), DbError> {
        if on_missing == OnMissing::Keep {
            let done = sqlx::query!(
                "UPDATE documents d SET is_stale = TRUE, updated_at = now()
                WHERE d.source_id = $1 AND d.status <> 'deleted' AND NOT d.is_stale
                    AND d.container_id IS NULL AND d.uri IS NOT NULL
                    AND NOT EXISTS (SELECT FROM push_run_documents n WHERE n.run_id = $2 AND n.uri = d.uri)",
                run.source_id.0,
                run.id.0,
            )
            .execute(&mut *self.connection)
            .await?;
            return Ok((Vec::new(), i64::try_from(done.rows_affected()).unwrap_or(i64::MAX)));
        }
        let deleted =
            sqlx::query_file_scalar!("queries/sources/delete_unnamed.sql", run.source_id.0, run.id.0)
                .fetch_all(&mut *self.connection)
                .await?;
        let mut containers = deleted.clone();
        while !containers.is_empty() {
            containers = sqlx::query_file_scalar!("queries/documents/delete_members.sql", &containers)
                .fetch_all(&mut *self.connection)
                .await?;
        }
        Ok((deleted.into_iter().map(DocumentId).collect(), 0))
    }

    /// Ends a locked run.
    pub async fn end(
        &mut self,
        id: PushRunId,
        gone: Gone,
        operation_id: Option<OperationId>,
    ) -> Result<(), DbError> {
        sqlx::query!(
            "WITH named AS (DELETE FROM push_run_documents WHERE run_id = $1 RETURNING uri)
            UPDATE push_runs SET status = 'ended', ended_at = now(), removed = $2, stale = $3, operation_id = $4,
                named = (SELECT count(*) FROM named)
            WHERE id = $1 AND status = 'open'",
            id.0,
            gone.removed,
            gone.stale,
            operation_id.map(|id| id.0),
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Ends the source's open run without effect: another one replaces it. Returns it.
    pub async fn replace(&mut self, source_id: SourceId) -> Result<Option<PushRunId>, DbError> {
        let id = sqlx::query_scalar!(
            "UPDATE push_runs SET status = 'replaced', ended_at = now(), named = 0
            WHERE source_id = $1 AND status = 'open' RETURNING id",
            source_id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        self.forget(id.as_slice()).await?;
        Ok(id.map(PushRunId))
    }

    /// Ends open runs that began before this time without effect, at most `limit`. Returns how many.
    pub async fn expire(&mut self, started_before: DateTime<Utc>, limit: i64) -> Result<u64, DbError> {
        let ids = sqlx::query_scalar!(
            "UPDATE push_runs SET status = 'expired', ended_at = now(), named = 0
            WHERE id IN (
                SELECT id FROM push_runs WHERE status = 'open' AND started_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
            )
            RETURNING id",
            started_before,
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        self.forget(&ids).await?;
        Ok(ids.len() as u64)
    }

    /// Deletes runs that ended before this time, at most `limit`. Returns how many.
    pub async fn delete_ended(&mut self, before: DateTime<Utc>, limit: i64) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "DELETE FROM push_runs WHERE id IN (
                SELECT id FROM push_runs WHERE status <> 'open' AND ended_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
            )",
            before,
            limit,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }

    /// Deletes what runs without effect have named.
    async fn forget(&mut self, ids: &[Uuid]) -> Result<(), DbError> {
        sqlx::query!("DELETE FROM push_run_documents WHERE run_id = ANY ($1)", ids)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}

struct PushRunRow {
    id: Uuid,
    collection_id: Uuid,
    source_id: i64,
    source_path: String,
    status: String,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    named: i64,
    removed: Option<i64>,
    stale: Option<i64>,
    operation_id: Option<Uuid>,
}

impl TryFrom<PushRunRow> for PushRun {
    type Error = DbError;

    fn try_from(row: PushRunRow) -> Result<Self, DbError> {
        Ok(Self {
            id: PushRunId(row.id),
            collection_id: CollectionId(row.collection_id),
            source_id: SourceId(row.source_id),
            source_path: row.source_path,
            status: DbError::parse_label("push_runs", "status", &row.status)?,
            started_at: row.started_at,
            ended_at: row.ended_at,
            named: row.named,
            gone: Gone { removed: row.removed.unwrap_or_default(), stale: row.stale.unwrap_or_default() },
            operation_id: row.operation_id.map(OperationId),
        })
    }
}

#[cfg(test)]
mod tests;
