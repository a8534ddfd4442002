//! A second index of a collection, filled beside the one that answers, and put in its place.
//!
//! Until the swap nothing of the collection and its documents changes but the generations that are
//! reserved: what the new index holds is known from the operation's items alone. The way back is in
//! `rollback`.

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
    /// Documents that something is still to be done for.
    pub open: i64,
    /// Documents that could not be indexed, of those that are still there.
    pub lost: i64,
    /// One of them, and why.
    pub first_lost: Option<String>,
    /// Documents in all.
    pub documents: i64,
    /// Chunks of those that are in the new index.
    pub chunks: i64,
}

/// A document in both indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReindexedDocument {
    /// The document.
    pub id: DocumentId,
    /// Its generation in the index that answers.
    pub old_generation: Generation,
    /// How many chunks it has there.
    pub old_chunk_count: u32,
}

/// What became of a swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swap {
    /// The new index answers, and the operation has ended.
    Done(FinishedOperation),
    /// The operation has ended or is to end, or has open items: there is nothing to swap (yet).
    NotWanted,
    /// So many documents are not in the new index as they are now. Undo the transaction.
    Uncovered(i64),
}

impl Operation {
    /// The index settings that a reindex was asked for.
    ///
    /// # Errors
    /// When the operation is no reindex.
    pub fn new_settings(&self) -> Result<IndexSettings, DbError> {
        Ok(IndexSettings {
            embedding_model: text(&self.config, "embedding_model")?.to_owned(),
            quantization: DbError::word("operations", "config", text(&self.config, "quantization")?)?,
            chunks: ChunkSettings {
                chunk_size: number(&self.config, "chunk_size")?,
                chunk_overlap: number(&self.config, "chunk_overlap")?,
            },
        })
    }
}

impl Operations<'_> {
    /// The index that keeps a second reindex of a collection from being queued.
    pub const ONE_REINDEX: &'static str = "uq_operations_one_reindex";

    /// Notes the index that a running reindex fills, if that is not noted yet, and returns its name:
    /// `base_name` with the number that it has among the indexes of its collection. Nothing if the
    /// operation is not to go on. Make the index after this, so that no one of them is forgotten.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// How much of the collection is in the new index.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reindex_coverage(&mut self, id: OperationId) -> Result<Coverage, DbError> {
        let coverage = sqlx::query_file_as!(Coverage, "queries/operations/reindex_coverage.sql", id.0)
            .fetch_one(&mut *self.connection)
            .await?;
        Ok(coverage)
    }

    /// Some of the documents in the new index, at random.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// Documents of a reindex that ended without being in the new index, a thousand at most.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// Lets the collection answer from the index that the operation has filled, and ends the
    /// operation: names, settings, documents and counts change together. The old index is kept for
    /// `grace`.
    ///
    /// Takes several statements: call it in a transaction, and undo that unless it is done.
    ///
    /// # Errors
    /// When the database does not answer.
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
                AND d.duplicate_of IS NULL
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
            Ending::Open | Ending::AwaitsSwap => Swap::NotWanted,
        })
    }
}

impl OperationItems<'_> {
    /// Puts every searchable document of the collection on the reindex's work list, each with the
    /// generation that it gets in the new index. Returns how many were not on it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn insert_reindexed(&mut self, operation_id: OperationId) -> Result<u64, DbError> {
        let done = sqlx::query_file!("queries/operations/insert_reindexed.sql", operation_id.0)
            .execute(&mut *self.connection)
            .await?;
        Ok(done.rows_affected())
    }

    /// Notes that the bytes of a listed item lie staged as its generation, too. Returns whether it
    /// was listed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mark_copied(&mut self, id: ItemId) -> Result<bool, DbError> {
        let is_mine = sqlx::query_scalar!(
            r#"WITH item AS (
                UPDATE operation_items SET state = 'staged', dispatched_at = now(), updated_at = now()
                WHERE id = $1 AND is_reindex AND state = 'listed'
                RETURNING document_id, generation, base_generation
            ),
            artifact AS (
                INSERT INTO document_artifacts (
                    document_id, collection_id, generation, mime_type, object_key, content_hash, size_bytes
                )
                SELECT a.document_id, a.collection_id, item.generation, a.mime_type,
                    format('raw/%s/%s/%s', a.collection_id, a.document_id, item.generation),
                    a.content_hash, a.size_bytes
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
