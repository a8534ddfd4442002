//! Operations: what was asked of a collection, in the order in which it happens.
//!
//! How an operation moves from one state to the next is in `operation_runs`.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{
    CollectionId, ErrorCategory, OperationId, OperationStatus, OperationType, SourceId, SyncRunId, UserId,
};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{DbError, Page};

/// An operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its id, as clients and messages name it.
    pub id: OperationId,
    /// Its place in the order in which the operations of its collection run.
    pub sequence: i64,
    /// The collection it changes.
    pub collection_id: CollectionId,
    /// Who asked for it.
    pub user_id: UserId,
    /// The source it reads, where it reads one and that still exists.
    pub source_id: Option<SourceId>,
    /// What it does.
    pub operation_type: OperationType,
    /// How far it is.
    pub status: OperationStatus,
    /// What it was asked to do, an object.
    pub config: Value,
    /// Why it failed.
    pub error_message: Option<String>,
    /// Whether trying again can help.
    pub error_category: Option<ErrorCategory>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When its turn came.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// When a user asked to stop it.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// When its message was last sent, or its listing last moved on.
    pub dispatched_at: Option<DateTime<Utc>>,
    /// Where the listing of its source goes on.
    pub scan_cursor: Option<String>,
    /// When its source was listed to the end.
    pub scan_finished_at: Option<DateTime<Utc>>,
    /// What it found, an object; once it ended, `counts` says how many documents were new, changed,
    /// unchanged, removed, duplicate, skipped, failed and cancelled.
    pub meta: Value,
}

/// An operation to queue.
#[derive(Debug, Clone)]
pub struct NewOperation {
    /// Its id.
    pub id: OperationId,
    /// The collection it changes.
    pub collection_id: CollectionId,
    /// Who asks for it.
    pub user_id: UserId,
    /// The source it reads, if any.
    pub source_id: Option<SourceId>,
    /// What it does.
    pub operation_type: OperationType,
    /// What it is asked to do, an object.
    pub config: Value,
}

/// Which operations a list shows. An empty set of statuses or types means all of them.
#[derive(Debug, Clone)]
pub struct OperationQuery {
    /// Only those of this collection.
    pub collection_id: Option<CollectionId>,
    /// Only those that this user asked for.
    pub user_id: Option<UserId>,
    /// Only those in one of these states.
    pub statuses: Vec<OperationStatus>,
    /// Only those of one of these types.
    pub types: Vec<OperationType>,
    /// The most to return.
    pub limit: i64,
    /// How many to pass over.
    pub offset: i64,
}

/// How many items of an operation are in each state, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ItemCounts {
    /// Known by name only.
    pub listed: i64,
    /// With their bytes staged.
    pub staged: i64,
    /// With their chunks staged.
    pub chunked: i64,
    /// Searchable.
    pub completed: i64,
    /// As they were.
    pub unchanged: i64,
    /// With the bytes of another document.
    pub duplicate: i64,
    /// Removed with their vectors.
    pub removed: i64,
    /// With nothing to index.
    pub skipped: i64,
    /// That could not be indexed.
    pub failed: i64,
    /// That the operation was stopped before.
    pub cancelled: i64,
    /// Bytes of all of them.
    pub bytes: i64,
}

impl ItemCounts {
    /// Items in any state.
    pub const fn total(&self) -> i64 {
        self.open() + self.finished()
    }

    /// Items that something is still to be done for.
    pub const fn open(&self) -> i64 {
        self.listed + self.staged + self.chunked
    }

    /// Items that nothing more happens to.
    pub const fn finished(&self) -> i64 {
        self.completed
            + self.unchanged
            + self.duplicate
            + self.removed
            + self.skipped
            + self.failed
            + self.cancelled
    }
}

/// Reads and changes operations.
#[derive(Debug)]
pub struct Operations<'c> {
    pub(crate) connection: &'c mut PgConnection,
}

impl<'c> Operations<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Queues an operation behind those that its collection already has.
    ///
    /// # Errors
    /// When there is no such collection or the database does not answer.
    pub async fn insert(&mut self, new: &NewOperation) -> Result<Operation, DbError> {
        let row = sqlx::query_as!(
            OperationRow,
            r#"INSERT INTO operations (uuid, collection_id, user_id, source_id, type, config)
            VALUES ($1, $2, $3, $4, $5::text::operation_type, $6)
            RETURNING id, uuid, collection_id, user_id, source_id, type::text AS "operation_type!",
                status::text AS "status!", config, error_message,
                error_category::text AS error_category, created_at, updated_at, started_at,
                completed_at, cancel_requested_at, dispatched_at, scan_cursor, scan_finished_at,
                meta"#,
            new.id.0,
            new.collection_id.0,
            new.user_id.0,
            new.source_id.map(|id| id.0),
            new.operation_type.as_str(),
            new.config,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        row.try_into()
    }

    /// The operation with this id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find(&mut self, id: OperationId) -> Result<Option<Operation>, DbError> {
        let row = sqlx::query_as!(
            OperationRow,
            r#"SELECT id, uuid, collection_id, user_id, source_id, type::text AS "operation_type!",
                status::text AS "status!", config, error_message,
                error_category::text AS error_category, created_at, updated_at, started_at,
                completed_at, cancel_requested_at, dispatched_at, scan_cursor, scan_finished_at,
                meta
            FROM operations WHERE uuid = $1"#,
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        row.map(Operation::try_from).transpose()
    }

    /// The operation with this id, held until the transaction ends.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lock(&mut self, id: OperationId) -> Result<Option<Operation>, DbError> {
        sqlx::query!("SELECT id FROM operations WHERE uuid = $1 FOR UPDATE", id.0)
            .fetch_optional(&mut *self.connection)
            .await?;
        self.find(id).await
    }

    /// The operations that the query asks for, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&mut self, query: &OperationQuery) -> Result<Page<Operation>, DbError> {
        let statuses: Vec<String> = query.statuses.iter().map(ToString::to_string).collect();
        let types: Vec<String> = query.types.iter().map(ToString::to_string).collect();
        let collection_id = query.collection_id.map(|id| id.0);
        let user_id = query.user_id.map(|id| id.0);
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "total!" FROM operations
            WHERE ($1::uuid IS NULL OR collection_id = $1) AND ($2::bigint IS NULL OR user_id = $2)
                AND ($3::text[] = '{}' OR status = ANY ($3::text[]::operation_status[]))
                AND ($4::text[] = '{}' OR type = ANY ($4::text[]::operation_type[]))"#,
            collection_id,
            user_id,
            &statuses,
            &types,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let rows = sqlx::query_file_as!(
            OperationRow,
            "queries/operations/list_operations.sql",
            collection_id,
            user_id,
            &statuses,
            &types,
            query.limit,
            query.offset,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            items.push(row.try_into()?);
        }
        Ok(Page { items, total })
    }

    /// How far the operation's items are; all zero for an operation without any.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn item_counts(&mut self, id: OperationId) -> Result<ItemCounts, DbError> {
        let counts = sqlx::query_file_as!(ItemCounts, "queries/operations/count_items.sql", id.0)
            .fetch_one(&mut *self.connection)
            .await?;
        Ok(counts)
    }

    /// How far each of these operations is. One without items is not in the map.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn item_counts_of(
        &mut self,
        ids: &[OperationId],
    ) -> Result<HashMap<OperationId, ItemCounts>, DbError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = sqlx::query_file!("queries/operations/count_items_of_many.sql", &ids)
            .fetch_all(&mut *self.connection)
            .await?;
        let counts = rows.into_iter().map(|row| {
            let counts = ItemCounts {
                listed: row.listed,
                staged: row.staged,
                chunked: row.chunked,
                completed: row.completed,
                unchanged: row.unchanged,
                duplicate: row.duplicate,
                removed: row.removed,
                skipped: row.skipped,
                failed: row.failed,
                cancelled: row.cancelled,
                bytes: row.bytes,
            };
            (OperationId(row.uuid), counts)
        });
        Ok(counts.collect())
    }

    /// The run's operations in the order in which they run: one for each source, unless one was
    /// forgotten since.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_of_sync_run(&mut self, id: SyncRunId) -> Result<Vec<Operation>, DbError> {
        let rows = sqlx::query_as!(
            OperationRow,
            r#"SELECT id, uuid, collection_id, user_id, source_id, type::text AS "operation_type!",
                status::text AS "status!", config, error_message,
                error_category::text AS error_category, created_at, updated_at, started_at,
                completed_at, cancel_requested_at, dispatched_at, scan_cursor, scan_finished_at,
                meta
            FROM operations WHERE sync_run_id = $1 ORDER BY id"#,
            id.0,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        rows.into_iter().map(Operation::try_from).collect()
    }

    /// Notes that the operations' messages were sent.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mark_dispatched(&mut self, ids: &[OperationId]) -> Result<(), DbError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        sqlx::query!("UPDATE operations SET dispatched_at = now() WHERE uuid = ANY ($1)", &ids)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}

pub(crate) struct OperationRow {
    pub(crate) id: i64,
    pub(crate) uuid: Uuid,
    pub(crate) collection_id: Uuid,
    pub(crate) user_id: i64,
    pub(crate) source_id: Option<i64>,
    pub(crate) operation_type: String,
    pub(crate) status: String,
    pub(crate) config: Value,
    pub(crate) error_message: Option<String>,
    pub(crate) error_category: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) completed_at: Option<DateTime<Utc>>,
    pub(crate) cancel_requested_at: Option<DateTime<Utc>>,
    pub(crate) dispatched_at: Option<DateTime<Utc>>,
    pub(crate) scan_cursor: Option<String>,
    pub(crate) scan_finished_at: Option<DateTime<Utc>>,
    pub(crate) meta: Value,
}

impl TryFrom<OperationRow> for Operation {
    type Error = DbError;

    fn try_from(row: OperationRow) -> Result<Self, DbError> {
        Ok(Self {
            id: OperationId(row.uuid),
            sequence: row.id,
            collection_id: CollectionId(row.collection_id),
            user_id: UserId(row.user_id),
            source_id: row.source_id.map(SourceId),
            operation_type: DbError::word("operations", "type", &row.operation_type)?,
            status: DbError::word("operations", "status", &row.status)?,
            config: row.config,
            error_message: row.error_message,
            error_category: DbError::optional_word(
                "operations",
                "error_category",
                row.error_category.as_deref(),
            )?,
            created_at: row.created_at,
            updated_at: row.updated_at,
            started_at: row.started_at,
            completed_at: row.completed_at,
            cancel_requested_at: row.cancel_requested_at,
            dispatched_at: row.dispatched_at,
            scan_cursor: row.scan_cursor,
            scan_finished_at: row.scan_finished_at,
            meta: row.meta,
        })
    }
}
