//! Operations. The operations of a collection run one at a time, in the order they were created.
//!
//! Their state transitions are in `runs`, `completion` and `finish`.

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
    /// ID of the operation, as clients and messages use it.
    pub id: OperationId,
    /// Sequence number; a collection's operations run in this order.
    pub sequence: i64,
    /// The collection it changes.
    pub collection_id: CollectionId,
    /// The user who started it.
    pub user_id: UserId,
    /// The source it reads, if it reads one that still exists.
    pub source_id: Option<SourceId>,
    /// Type of the operation.
    pub operation_type: OperationType,
    /// Status of the operation.
    pub status: OperationStatus,
    /// Parameters of the operation, a JSON object.
    pub config: Value,
    /// Why it failed.
    pub error_message: Option<String>,
    /// Whether a retry can help.
    pub error_category: Option<ErrorCategory>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was claimed.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// When its cancellation was requested.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// When it was last dispatched, or its listing last made progress.
    pub dispatched_at: Option<DateTime<Utc>>,
    /// Where the listing of its source continues.
    pub scan_cursor: Option<String>,
    /// When the listing of its source was complete.
    pub scan_finished_at: Option<DateTime<Utc>>,
    /// Results, a JSON object. Once it has ended, `counts` holds the number of new, changed, unchanged,
    /// removed, duplicate, skipped, failed and cancelled documents.
    pub meta: Value,
}

/// An operation to queue.
#[derive(Debug, Clone)]
pub struct NewOperation {
    /// ID of the operation.
    pub id: OperationId,
    /// The collection it changes.
    pub collection_id: CollectionId,
    /// The user who starts it.
    pub user_id: UserId,
    /// The source it reads, if any.
    pub source_id: Option<SourceId>,
    /// Type of the operation.
    pub operation_type: OperationType,
    /// Parameters of the operation, a JSON object.
    pub config: Value,
}

/// Filters and paging of a list of operations. An empty list of statuses or types means all of them.
#[derive(Debug, Clone)]
pub struct OperationQuery {
    /// Only operations of these collections.
    pub collection_ids: Option<Vec<CollectionId>>,
    /// Only operations started by this user.
    pub user_id: Option<UserId>,
    /// Only operations with one of these statuses.
    pub statuses: Vec<OperationStatus>,
    /// Only operations of one of these types.
    pub types: Vec<OperationType>,
    /// Maximum number of operations to return.
    pub limit: i64,
    /// Number of operations to skip.
    pub offset: i64,
}

/// Number of an operation's items by state, and their size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ItemCounts {
    /// Listed: only the entry of the source is known.
    pub listed: i64,
    /// Staged: the bytes are staged.
    pub staged: i64,
    /// Chunked: the chunks are staged.
    pub chunked: i64,
    /// Completed: the new version is searchable.
    pub completed: i64,
    /// Unchanged since it was indexed.
    pub unchanged: i64,
    /// Same bytes as another document.
    pub duplicate: i64,
    /// Removed together with its points.
    pub removed: i64,
    /// Skipped: no content to index.
    pub skipped: i64,
    /// Failed.
    pub failed: i64,
    /// Cancelled before it was completed.
    pub cancelled: i64,
    /// Size of all items in bytes.
    pub bytes: i64,
}

impl ItemCounts {
    /// Returns the number of items.
    pub const fn total(&self) -> i64 {
        self.open() + self.finished()
    }

    /// Returns the number of items that are not finished.
    pub const fn open(&self) -> i64 {
        self.listed + self.staged + self.chunked
    }

    /// Returns the number of items that are finished.
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

    /// Queues an operation after the existing ones of its collection.
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] if there is no such collection, or with [`Self::ONE_REINDEX`] if the
    /// collection has an open reindex and this is another one.
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

    /// Returns the operation with this ID.
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

    /// Locks the operation with this ID until the transaction ends and returns it.
    pub async fn lock(&mut self, id: OperationId) -> Result<Option<Operation>, DbError> {
        sqlx::query!("SELECT id FROM operations WHERE uuid = $1 FOR UPDATE", id.0)
            .fetch_optional(&mut *self.connection)
            .await?;
        self.find(id).await
    }

    /// Returns the operations that match the query, newest first.
    pub async fn list(&mut self, query: &OperationQuery) -> Result<Page<Operation>, DbError> {
        let statuses: Vec<String> = query.statuses.iter().map(ToString::to_string).collect();
        let types: Vec<String> = query.types.iter().map(ToString::to_string).collect();
        let collection_ids: Option<Vec<Uuid>> =
            query.collection_ids.as_ref().map(|ids| ids.iter().map(|id| id.0).collect());
        let user_id = query.user_id.map(|id| id.0);
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "total!" FROM operations
            WHERE ($1::uuid[] IS NULL OR collection_id = ANY ($1)) AND ($2::bigint IS NULL OR user_id = $2)
                AND ($3::text[] = '{}' OR status = ANY ($3::text[]::operation_status[]))
                AND ($4::text[] = '{}' OR type = ANY ($4::text[]::operation_type[]))"#,
            collection_ids.as_deref(),
            user_id,
            &statuses,
            &types,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let rows = sqlx::query_file_as!(
            OperationRow,
            "queries/operations/list_operations.sql",
            collection_ids.as_deref(),
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

    /// Returns the collections that the user started operations of, whatever became of the user's access, and
    /// whether each is a deleted one that the user owned.
    pub async fn collections_of(&mut self, user_id: UserId) -> Result<Vec<(CollectionId, bool)>, DbError> {
        let rows = sqlx::query!(
            r#"SELECT c.id, c.deleted_at IS NOT NULL AND c.owner_id = $1 AS "is_own_deleted!"
            FROM collections c
            WHERE EXISTS (SELECT FROM operations o WHERE o.collection_id = c.id AND o.user_id = $1)"#,
            user_id.0,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(rows.into_iter().map(|row| (CollectionId(row.id), row.is_own_deleted)).collect())
    }

    /// Returns the number of the operation's items by state.
    pub async fn item_counts(&mut self, id: OperationId) -> Result<ItemCounts, DbError> {
        let counts = sqlx::query_file_as!(ItemCounts, "queries/operations/count_items.sql", id.0)
            .fetch_one(&mut *self.connection)
            .await?;
        Ok(counts)
    }

    /// Returns the number of items by state of each of these operations. Operations without items are
    /// absent.
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

    /// Returns the sync run's operations in the order they run: one for each source, without those that
    /// were deleted since.
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

    /// Records that messages for the operations were sent.
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
            operation_type: DbError::parse_label("operations", "type", &row.operation_type)?,
            status: DbError::parse_label("operations", "status", &row.status)?,
            config: row.config,
            error_message: row.error_message,
            error_category: DbError::parse_optional_label(
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
