//! Work lists: one item for each document that an operation handles.
//!
//! Staging of items is in `staging`, the later stages are in `item_work`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{DocumentId, DocumentMetadata, Generation, ItemId, ItemState, OperationId, to_nfc};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::DbError;

/// An item to put on a work list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewItem {
    /// URI of the document, unique in its collection.
    pub uri: String,
    /// Location of the document: a path within the source, or an object key.
    pub location: String,
    /// The last component of its path.
    pub file_name: String,
    /// Its path within the source; `None` for an upload, whose URI contains it.
    pub file_path: Option<String>,
    /// Size in bytes, as listed.
    pub size_bytes: i64,
    /// Media type, if the source knows it.
    pub mime_type: Option<String>,
    /// Change hint: differs whenever the bytes differ.
    pub change_hint: Option<String>,
    /// The URL at which people open the original, if the source knows one. Without one, the document keeps its own.
    pub url: Option<String>,
    /// The title, if the source gives one; it beats the one in the document. Without one, the document keeps its own.
    pub title: Option<String>,
    /// Metadata, if the source gives any. Without it, the document keeps its own.
    pub metadata: Option<DocumentMetadata>,
}

/// An item of a work list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// ID of the item.
    pub id: ItemId,
    /// Its operation.
    pub operation_id: OperationId,
    /// State of the item.
    pub state: ItemState,
    /// Why it failed or was skipped.
    pub error_message: Option<String>,
}

/// An item whose message may be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StalledItem {
    /// ID of the item.
    pub id: ItemId,
    /// Its operation.
    pub operation_id: OperationId,
    /// Chunk batches without points, by index; empty before it is chunked.
    pub missing_batches: Vec<u32>,
}

/// How old the last message of an item is at least when it counts as lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StallAges {
    /// If the stage's queue is empty; `None` if it is not.
    pub queue_is_empty: Option<Duration>,
    /// If a message that was sent later was handled; longer than a stage takes. `None` if the message may be in another
    /// queue.
    pub overtaken: Option<Duration>,
    /// If no item of its operation moves.
    pub nothing_moves: Duration,
}

/// An item that ended early after its chunks were staged, so some of its points may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbandonedItem {
    /// ID of the item.
    pub id: ItemId,
    /// Its document.
    pub document_id: DocumentId,
    /// The generation, which never becomes searchable.
    pub generation: Generation,
}

/// Reads and changes items.
#[derive(Debug)]
pub struct OperationItems<'c> {
    pub(crate) connection: &'c mut PgConnection,
}

impl<'c> OperationItems<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns the latest item of this document.
    pub async fn find_latest_of_document(
        &mut self,
        document_id: DocumentId,
    ) -> Result<Option<Item>, DbError> {
        let row = sqlx::query!(
            r#"SELECT i.id, o.uuid AS operation_id, i.state::text AS "state!", i.error_message
            FROM operation_items i JOIN operations o ON o.id = i.operation_id
            WHERE i.document_id = $1 ORDER BY i.id DESC LIMIT 1"#,
            document_id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        Ok(Some(Item {
            id: ItemId(row.id),
            operation_id: OperationId(row.operation_id),
            state: DbError::parse_label("operation_items", "state", &row.state)?,
            error_message: row.error_message,
        }))
    }

    /// Adds documents to the operation's work list unless they are on it; adds none once the operation or
    /// its listing has ended. Returns how many it added.
    pub async fn insert_many(
        &mut self,
        operation_id: OperationId,
        items: &[NewItem],
    ) -> Result<u64, DbError> {
        let columns = ItemColumns::of(items.iter());
        let done = sqlx::query!(
            "INSERT INTO operation_items (
                operation_id, uri, location, file_name, size_bytes, mime_type, change_hint, file_path,
                url, title, attributes
            )
            SELECT o.id, entry.*
            FROM (
                -- Held until this commits, so that the listing cannot end concurrently.
                SELECT id FROM operations
                WHERE uuid = $1 AND status IN ('pending', 'processing') AND scan_finished_at IS NULL
                FOR SHARE
            ) AS o
            CROSS JOIN unnest(
                $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[],
                $9::text[], $10::text[], $11::jsonb[]
            ) AS entry
            ON CONFLICT (operation_id, uri) DO NOTHING",
            operation_id.0,
            &columns.uris,
            &columns.locations,
            &columns.file_names,
            &columns.sizes,
            &columns.mime_types as &[Option<String>],
            &columns.change_hints as &[Option<String>],
            &columns.file_paths as &[Option<String>],
            &columns.urls as &[Option<String>],
            &columns.titles as &[Option<String>],
            &columns.metadata as &[Option<Json<&DocumentMetadata>>],
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }

    /// Adds uploaded documents to the operation's work list, or replaces a listed item by the newer version.
    /// Without metadata, title or URL of its own, a version keeps that of the one it replaces, unless the document was
    /// deleted in between. Returns the locations and change hints of the items that were replaced.
    ///
    /// # Errors
    /// Returns [`DbError::Statement`] if there is no such operation or the same document is given twice.
    pub async fn upsert_uploads(
        &mut self,
        operation_id: OperationId,
        uploads: &[NewItem],
    ) -> Result<Vec<(String, Option<String>)>, DbError> {
        let columns = ItemColumns::of(uploads.iter());
        let replaced = sqlx::query_file!(
            "queries/operations/upsert_uploads.sql",
            operation_id.0,
            &columns.uris,
            &columns.locations,
            &columns.file_names,
            &columns.sizes,
            &columns.mime_types as &[Option<String>],
            &columns.change_hints as &[Option<String>],
            &columns.metadata as &[Option<Json<&DocumentMetadata>>],
            &columns.urls as &[Option<String>],
            &columns.titles as &[Option<String>],
            &columns.file_paths as &[Option<String>],
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(replaced.into_iter().map(|row| (row.location, row.change_hint)).collect())
    }

    /// Ends the items after `after` that are not dispatched yet and whose documents are indexed with the
    /// same change hint. Returns how many.
    pub async fn mark_unchanged(&mut self, operation_id: OperationId, after: ItemId) -> Result<u64, DbError> {
        let done = sqlx::query_file!("queries/operations/mark_items_unchanged.sql", operation_id.0, after.0)
            .execute(&mut *self.connection)
            .await?;
        Ok(done.rows_affected())
    }

    /// Returns the next items after `after` that are not dispatched, ordered by ID.
    pub async fn list_undispatched(
        &mut self,
        operation_id: OperationId,
        after: ItemId,
        limit: i64,
    ) -> Result<Vec<ItemId>, DbError> {
        let ids = sqlx::query_scalar!(
            "SELECT id FROM operation_items
            WHERE operation_id = (SELECT id FROM operations WHERE uuid = $1)
                AND state IN ('listed', 'staged', 'chunked') AND state = 'listed'
                AND dispatched_at IS NULL AND id > $2
            ORDER BY id LIMIT $3",
            operation_id.0,
            after.0,
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(ids.into_iter().map(ItemId).collect())
    }

    /// Returns those of these documents that are still to be staged, none of them sent yet.
    pub async fn list_unsent(
        &mut self,
        operation_id: OperationId,
        uris: &[String],
    ) -> Result<Vec<String>, DbError> {
        let rows = sqlx::query_scalar!(
            "SELECT i.uri FROM operation_items i JOIN operations o ON o.id = i.operation_id
            WHERE o.uuid = $1 AND i.uri = ANY ($2) AND i.state = 'listed' AND i.dispatched_at IS NULL",
            operation_id.0,
            uris,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(rows)
    }

    /// Records that the bytes of these documents are stored.
    pub async fn mark_fetched(&mut self, operation_id: OperationId, uris: &[String]) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE operation_items i SET is_fetched = TRUE FROM operations o
            WHERE o.uuid = $1 AND i.operation_id = o.id AND i.uri = ANY ($2) AND i.state = 'listed'",
            operation_id.0,
            uris,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Records that messages for these items were sent.
    pub async fn mark_dispatched(&mut self, ids: &[ItemId]) -> Result<(), DbError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        sqlx::query!("UPDATE operation_items SET dispatched_at = now() WHERE id = ANY ($1)", &ids)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    /// Returns items of running operations that are in `state` and whose last message the queue does not hold any more,
    /// after `after`, ordered by ID.
    ///
    /// A queue has no list of its messages, but it delivers those of one operation about in the order in which they were
    /// sent. So a message is gone if that of an item that came to this state later was handled, if the queue is empty, or
    /// if nothing of its operation has moved for a long time.
    pub async fn list_stalled(
        &mut self,
        state: ItemState,
        ages: StallAges,
        after: ItemId,
        limit: i64,
    ) -> Result<Vec<StalledItem>, DbError> {
        let rows = sqlx::query_file!(
            "queries/operations/list_stalled.sql",
            state.as_str(),
            after.0,
            limit,
            ages.queue_is_empty.map(|age| age.as_secs_f64()),
            ages.overtaken.map(|age| age.as_secs_f64()),
            ages.nothing_moves.as_secs_f64(),
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let stalled = rows.into_iter().map(|row| StalledItem {
            id: ItemId(row.id),
            operation_id: OperationId(row.operation_id),
            missing_batches: missing_batches(row.batch_count, &row.batches_done),
        });
        Ok(stalled.collect())
    }

    /// Returns the approximate number of chunks of running operations that are not embedded yet.
    pub async fn count_pending_chunks(&mut self) -> Result<u64, DbError> {
        // All batches but the last have the same size, so the share of open batches is accurate enough.
        let chunks = sqlx::query_scalar!(
            r#"SELECT coalesce(sum(
                i.chunk_count::bigint * (i.batch_count - cardinality(i.batches_done)) / greatest(i.batch_count, 1)
            ), 0)::bigint AS "chunks!"
            FROM operations o
            JOIN operation_items i ON i.operation_id = o.id AND i.state IN ('listed', 'staged', 'chunked')
            WHERE o.status = 'processing' AND i.state = 'chunked'"#,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(u64::try_from(chunks).unwrap_or(0))
    }

    /// Returns items of the operation that failed or were cancelled after their chunks were staged, after
    /// `after`, ordered by ID. Their points are orphaned. Items of a reindex are left out, because their
    /// index is dropped.
    pub async fn list_abandoned(
        &mut self,
        operation_id: OperationId,
        after: ItemId,
        limit: i64,
    ) -> Result<Vec<AbandonedItem>, DbError> {
        let rows = sqlx::query!(
            r#"SELECT i.id, d.id AS document_id, i.generation AS "generation!"
            FROM operation_items i JOIN documents d ON d.id = i.document_id
            WHERE i.operation_id = (SELECT id FROM operations WHERE uuid = $1)
                AND i.state IN ('failed', 'cancelled') AND i.batch_count IS NOT NULL
                AND i.generation <> d.generation AND NOT i.is_reindex AND i.id > $2
            ORDER BY i.id LIMIT $3"#,
            operation_id.0,
            after.0,
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let abandoned = rows.into_iter().map(|row| AbandonedItem {
            id: ItemId(row.id),
            document_id: DocumentId(row.document_id),
            generation: Generation(row.generation),
        });
        Ok(abandoned.collect())
    }

    /// Deletes items of operations that ended before this time, at most `limit`, since a work list may be
    /// long. Returns how many.
    pub async fn delete_of_ended(&mut self, before: DateTime<Utc>, limit: i64) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "DELETE FROM operation_items WHERE id IN (
                SELECT i.id FROM operations o JOIN operation_items i ON i.operation_id = o.id
                WHERE o.completed_at < $1 LIMIT $2
                FOR UPDATE OF i SKIP LOCKED
            )",
            before,
            limit,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }
}

/// Returns the batches of `0..batch_count` that are not in `batches_done`.
pub(crate) fn missing_batches(batch_count: Option<i32>, batches_done: &[i32]) -> Vec<u32> {
    let missing = (0..batch_count.unwrap_or(0)).filter(|batch| !batches_done.contains(batch));
    missing.filter_map(|batch| u32::try_from(batch).ok()).collect()
}

/// Items as one array per column, for `unnest`.
#[derive(Default)]
struct ItemColumns<'a> {
    uris: Vec<String>,
    locations: Vec<String>,
    file_names: Vec<String>,
    sizes: Vec<i64>,
    mime_types: Vec<Option<String>>,
    change_hints: Vec<Option<String>>,
    file_paths: Vec<Option<String>>,
    urls: Vec<Option<String>>,
    titles: Vec<Option<String>>,
    metadata: Vec<Option<Json<&'a DocumentMetadata>>>,
}

impl<'a> ItemColumns<'a> {
    fn of(items: impl Iterator<Item = &'a NewItem>) -> Self {
        let mut columns = Self::default();
        for item in items {
            columns.uris.push(item.uri.clone());
            columns.locations.push(item.location.clone());
            columns.file_names.push(to_nfc(&item.file_name));
            columns.sizes.push(item.size_bytes);
            columns.mime_types.push(item.mime_type.clone());
            columns.change_hints.push(item.change_hint.clone());
            columns.file_paths.push(item.file_path.as_deref().map(to_nfc));
            columns.urls.push(item.url.clone());
            columns.titles.push(item.title.clone());
            columns.metadata.push(item.metadata.as_ref().map(Json));
        }
        columns
    }
}
