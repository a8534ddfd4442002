//! Reindexing: a new index is built beside the current one and then replaces it.
//!
//! Until the swap, the collection and its documents stay as they are, except that generations are reserved;
//! the progress of the new index is in the operation's items. For the rollback, see
//! `collections::rollback`.

use std::time::Duration;

use domain::{ChunkSettings, DocumentId, Generation, IndexSettings, ItemId, OperationId, OperationStatus};
use serde_json::Value;

use super::completion::{Ending, FinishedOperation};
use super::items::OperationItems;
use super::operation::{Operation, Operations};
use crate::DbError;

/// How much of a collection is in its new index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// Number of documents that are not finished.
    pub open: i64,
    /// Number of documents that could not be indexed and still exist.
    pub lost: i64,
    /// One of those, with the reason.
    pub first_lost: Option<String>,
    /// Number of all documents.
    pub documents: i64,
    /// Number of chunks in the new index.
    pub chunks: i64,
}

/// A document in both indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReindexedDocument {
    /// ID of the document.
    pub id: DocumentId,
    /// Its generation in the current index.
    pub old_generation: Generation,
    /// Number of its chunks in the current index.
    pub old_chunk_count: u32,
}

/// The outcome of a swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swap {
    /// The new index has replaced the current one, and the operation has ended.
    Done(FinishedOperation),
    /// The operation has ended, is to be cancelled, or has open items.
    NotWanted,
    /// This many documents are not in the new index in their current version. Roll the transaction back.
    Uncovered(i64),
}

impl Operation {
    /// Returns the index settings that the reindex was started with.
    ///
    /// # Errors
    /// Returns [`DbError::Inconsistent`] if the operation is not a reindex.
    pub fn new_settings(&self) -> Result<IndexSettings, DbError> {
        Ok(IndexSettings {
            embedding_model: text(&self.config, "embedding_model")?.to_owned(),
            quantization: DbError::parse_label("operations", "config", text(&self.config, "quantization")?)?,
            chunks: ChunkSettings {
                chunk_size: number(&self.config, "chunk_size")?,
                chunk_overlap: number(&self.config, "chunk_overlap")?,
            },
            // Reindexes that an earlier version started lack it.
            contextualize: self.config["contextualize"].as_bool().unwrap_or(false),
            // Absent in operations that were requested before there was OCR.
            ocr: self.config.get("ocr").and_then(Value::as_bool).unwrap_or(false),
        })
    }
}

impl Operations<'_> {
    /// The index that allows one open reindex per collection.
    pub const ONE_REINDEX: &'static str = "uq_operations_one_reindex";

    /// Records the name of the index that a running reindex builds, unless it is recorded, and returns it:
    /// `base_name` with the index's number within its collection. Returns `None` if the operation is to be
    /// cancelled. Create the index after this, so that its name is known if the operation fails.
    pub async fn begin_reindex(
        &mut self,
        id: OperationId,
        base_name: &str,
    ) -> Result<Option<String>, DbError> {
        sqlx::query_file!("queries/operations/begin_reindex.sql", id.0, base_name)
            .execute(&mut *self.connection)
            .await?;
        let name = sqlx::query_scalar!(
            r#"SELECT c.qdrant_staging ->> 'vector_store_name' AS "name!"
            FROM operations o
            JOIN collections c ON c.id = o.collection_id
                AND c.qdrant_staging ->> 'operation_id' = o.uuid::text
            WHERE o.uuid = $1 AND o.status = 'processing'"#,
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(name)
    }

    /// Returns how much of the collection is in the new index.
    pub async fn reindex_coverage(&mut self, id: OperationId) -> Result<Coverage, DbError> {
        let coverage = sqlx::query_file_as!(Coverage, "queries/operations/reindex_coverage.sql", id.0)
            .fetch_one(&mut *self.connection)
            .await?;
        Ok(coverage)
    }

    /// Returns a random sample of the documents in the new index.
    pub async fn sample_reindexed(
        &mut self,
        id: OperationId,
        limit: i64,
    ) -> Result<Vec<ReindexedDocument>, DbError> {
        let rows = sqlx::query!(
            r#"SELECT i.document_id AS "document_id!", i.base_generation AS "base_generation!",
                i.base_chunk_count AS "base_chunk_count!"
            FROM operations o
            JOIN operation_items i ON i.operation_id = o.id AND i.is_reindex AND i.state = 'completed'
            JOIN documents d ON d.id = i.document_id AND d.status <> 'deleted'
            WHERE o.uuid = $1 AND i.base_chunk_count > 0
            ORDER BY random() LIMIT $2"#,
            id.0,
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let documents = rows.into_iter().map(|row| ReindexedDocument {
            id: DocumentId(row.document_id),
            old_generation: Generation(row.base_generation),
            old_chunk_count: u32::try_from(row.base_chunk_count).unwrap_or(0),
        });
        Ok(documents.collect())
    }

    /// Returns documents of a reindex whose items ended without being in the new index, at most 1,000.
    pub async fn list_unindexed(&mut self, id: OperationId) -> Result<Vec<DocumentId>, DbError> {
        let ids = sqlx::query_scalar!(
            r#"SELECT i.document_id AS "document_id!"
            FROM operations o
            JOIN operation_items i ON i.operation_id = o.id AND i.is_reindex
            WHERE o.uuid = $1 AND i.document_id IS NOT NULL
                AND i.state NOT IN ('listed', 'staged', 'chunked', 'completed')
            ORDER BY i.id LIMIT 1000"#,
            id.0,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(ids.into_iter().map(DocumentId).collect())
    }

    /// Makes the index that the operation has built the collection's index, and ends the operation: names,
    /// settings, documents and counters change in one transaction. The previous index is kept for `grace`.
    ///
    /// Runs several statements: call it in a transaction, and roll that back unless the outcome is
    /// [`Swap::Done`].
    pub async fn swap(&mut self, id: OperationId, grace: Duration) -> Result<Swap, DbError> {
        self.lock_collection(id).await?;
        let Some(operation) = self.lock(id).await? else {
            return Ok(Swap::NotWanted);
        };
        let is_wanted =
            operation.status == OperationStatus::Processing && operation.cancel_requested_at.is_none();
        if !is_wanted || operation.scan_finished_at.is_none() || self.reindex_coverage(id).await?.open > 0 {
            return Ok(Swap::NotWanted);
        }
        sqlx::query_file!("queries/operations/swap_documents.sql", operation.sequence, false)
            .execute(&mut *self.connection)
            .await?;
        let uncovered = sqlx::query_scalar!(
            r#"SELECT count(*) AS "uncovered!" FROM documents d
            WHERE d.collection_id = $2 AND d.status <> 'deleted' AND d.chunk_count > 0
                AND NOT EXISTS (
                    SELECT FROM operation_items i
                    WHERE i.operation_id = $1 AND i.document_id = d.id AND i.state = 'completed'
                        AND i.generation = d.generation
                )"#,
            operation.sequence,
            operation.collection_id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        if uncovered > 0 {
            return Ok(Swap::Uncovered(uncovered));
        }
        let swapped =
            sqlx::query_file!("queries/operations/swap_index.sql", operation.sequence, grace.as_secs_f64())
                .execute(&mut *self.connection)
                .await?;
        if swapped.rows_affected() == 0 {
            return Ok(Swap::NotWanted);
        }
        Ok(match self.end_if_done(id).await? {
            Ending::Ended(finished) => Swap::Done(finished),
            Ending::Open | Ending::HasRoom | Ending::AwaitsSwap => Swap::NotWanted,
        })
    }
}

impl OperationItems<'_> {
    /// Adds every searchable document of the collection to the reindex's work list, each with the
    /// generation that it gets in the new index. Returns how many it added.
    pub async fn insert_reindexed(&mut self, operation_id: OperationId) -> Result<u64, DbError> {
        let done = sqlx::query_file!("queries/operations/insert_reindexed.sql", operation_id.0)
            .execute(&mut *self.connection)
            .await?;
        Ok(done.rows_affected())
    }

    /// Records that the bytes of a listed item are staged under its generation, too. Returns whether it was
    /// listed.
    pub async fn mark_copied(&mut self, id: ItemId) -> Result<bool, DbError> {
        let is_mine = sqlx::query_scalar!(
            r#"WITH item AS (
                UPDATE operation_items SET state = 'staged', dispatched_at = now(), updated_at = now()
                WHERE id = $1 AND is_reindex AND state = 'listed'
                RETURNING document_id, generation, base_generation
            ),
            artifact AS (
                INSERT INTO document_artifacts (
                    document_id, collection_id, generation, mime_type, object_key, content_hash, size_bytes, is_copy
                )
                SELECT a.document_id, a.collection_id, item.generation, a.mime_type,
                    format('raw/%s/%s/%s', a.collection_id, a.document_id, item.generation),
                    a.content_hash, a.size_bytes, TRUE
                FROM item
                JOIN document_artifacts a ON a.document_id = item.document_id
                    AND a.artifact_kind = 'primary' AND a.generation = item.base_generation
                ON CONFLICT DO NOTHING
            )
            SELECT count(*) = 1 AS "is_mine!" FROM item"#,
            id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(is_mine)
    }
}

fn text<'a>(config: &'a Value, field: &str) -> Result<&'a str, DbError> {
    config.get(field).and_then(Value::as_str).ok_or_else(|| no_settings(config))
}

fn number(config: &Value, field: &str) -> Result<u32, DbError> {
    let number = config.get(field).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| no_settings(config))
}

fn no_settings(config: &Value) -> DbError {
    DbError::Inconsistent { table: "operations", column: "config", value: config.to_string() }
}

#[cfg(test)]
mod tests;
