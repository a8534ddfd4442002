//! What the chunk and embed functions read and write of an item.

use chrono::{DateTime, Utc};
use domain::{
    ChunkSettings, CollectionId, DocumentId, DocumentMetadata, DocumentWarning, ErrorCategory, Generation,
    IndexSettings, ItemId, ItemState, OperationId, SourceId,
};
use serde_json::Value;
use sqlx::types::Json;

use super::completion::EarlyEnd;
use super::items::{OperationItems, missing_batches};
use super::staging::ArtifactRef;
use crate::DbError;

/// An item, with everything that determines how its document is chunked and embedded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemWork {
    /// ID of the item.
    pub item_id: ItemId,
    /// Its operation.
    pub operation_id: OperationId,
    /// Whether the item is still wanted: the operation is running and not to be cancelled, the collection
    /// and the document are not deleted.
    pub is_wanted: bool,
    /// State of the item.
    pub state: ItemState,
    /// Its collection.
    pub collection_id: CollectionId,
    /// The source its document comes from.
    pub source_id: Option<SourceId>,
    /// The outermost document that its file is in, if the operation found the file in another document.
    pub outermost_id: Option<DocumentId>,
    /// Whether it belongs to a reindex: its points go to the new index, and its document does not change
    /// until the swap.
    pub is_reindex: bool,
    /// Whether it belongs to a reindex that turns OCR on, so that what only OCR reads is still to be extracted.
    pub starts_ocr: bool,
    /// The Qdrant collection that its points go to.
    pub vector_store_name: String,
    /// Settings of that index.
    pub settings: IndexSettings,
    /// Name of the chunking strategy.
    pub chunking_strategy: String,
    /// Configuration of that strategy, a JSON object.
    pub chunking_config: Value,
    /// URI of the document.
    pub uri: String,
    /// Path of the document within its source.
    pub file_path: String,
    /// The last component of its path.
    pub file_name: String,
    /// Media type.
    pub mime_type: Option<String>,
    /// Size in bytes.
    pub size_bytes: i64,
    /// Metadata from clients.
    pub metadata: DocumentMetadata,
    /// The title that its source gives the document, if any.
    pub title: Option<String>,
    /// The staged version of the document, once it is staged.
    pub staged: Option<StagedVersion>,
    /// The version whose staged vectors are reused for chunks with the same text.
    pub base: Option<ArtifactRef>,
    /// The oldest document with the same bytes, if the item is open and there is an older one. Its staged
    /// vectors are reused, too.
    pub original: Option<Original>,
    /// Number of its chunks, once it is chunked.
    pub chunk_count: u32,
    /// Chunk batches without points, by index; empty before it is chunked.
    pub missing_batches: Vec<u32>,
    /// Why the last attempt failed, if it is being retried.
    pub last_error: Option<String>,
}

/// The version of a document that an item writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StagedVersion {
    /// The document.
    pub document_id: DocumentId,
    /// The generation that the item writes.
    pub generation: Generation,
    /// The document's searchable generation, or the one that is complete in the index that a reindex
    /// builds; [`Generation::NONE`] if it has none.
    pub searchable_generation: Generation,
    /// When the document was first seen.
    pub first_seen_at: DateTime<Utc>,
}

/// An older document with the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Original {
    /// Where its chunks and vectors are staged.
    pub version: ArtifactRef,
    /// Whether the same operation is yet to index it.
    pub is_open: bool,
}

/// Chunks of a batch that are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BatchChunks {
    /// Those that reuse a vector of the base.
    pub reused: u32,
    /// Those of which the model knows less than half of the tokens.
    pub unknown: u32,
}

/// The outcome of writing a batch of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchDone {
    /// Number of the document's batches that have points.
    pub done: u32,
    /// Number of the document's batches.
    pub total: u32,
    /// Set by the last batch: the generation that was searchable before, [`Generation::NONE`] if there was
    /// none.
    pub replaced_generation: Option<Generation>,
}

/// Why an item ends without being indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemFailure {
    /// The document has no content to index.
    Skipped {
        /// The reason.
        reason: String,
    },
    /// The document cannot be indexed.
    Failed {
        /// The reason, and what to do about it.
        reason: String,
        /// Whether a retry can help.
        category: ErrorCategory,
    },
}

impl OperationItems<'_> {
    /// Returns these items with everything that the chunk and embed functions need, in no particular order.
    /// Items whose operation or collection is deleted are absent.
    pub async fn find_work(&mut self, ids: &[ItemId]) -> Result<Vec<ItemWork>, DbError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let rows = sqlx::query_file!("queries/operations/find_item_work.sql", &ids)
            .fetch_all(&mut *self.connection)
            .await?;
        let mut work = Vec::with_capacity(rows.len());
        for row in rows {
            let staged = match (row.document_id, row.generation, row.first_seen_at) {
                (Some(document_id), Some(generation), Some(first_seen_at)) => Some(StagedVersion {
                    document_id: DocumentId(document_id),
                    generation: Generation(generation),
                    searchable_generation: Generation(row.searchable_generation.unwrap_or_default()),
                    first_seen_at,
                }),
                _ => None,
            };
            work.push(ItemWork {
                item_id: ItemId(row.id),
                operation_id: OperationId(row.operation_id),
                is_wanted: row.is_wanted,
                state: DbError::parse_label("operation_items", "state", &row.state)?,
                collection_id: CollectionId(row.collection_id),
                source_id: row.source_id.map(SourceId),
                outermost_id: row.outermost_id.map(DocumentId),
                is_reindex: row.is_reindex,
                starts_ocr: row.starts_ocr,
                vector_store_name: row.vector_store_name,
                settings: IndexSettings {
                    embedding_model: row.embedding_model,
                    quantization: DbError::parse_label("collections", "quantization", &row.quantization)?,
                    chunks: ChunkSettings {
                        chunk_size: positive("chunk_size", row.chunk_size)?,
                        chunk_overlap: positive("chunk_overlap", row.chunk_overlap)?,
                    },
                    contextualize: row.contextualize,
                    ocr: row.ocr,
                },
                chunking_strategy: row.chunking_strategy,
                chunking_config: row.chunking_config,
                uri: row.uri,
                file_path: row.file_path,
                file_name: row.file_name,
                mime_type: row.mime_type,
                size_bytes: row.size_bytes,
                metadata: row.attributes.0,
                title: row.title,
                staged,
                base: row.base_document_id.zip(row.base_generation).map(|(document_id, generation)| {
                    ArtifactRef { document_id: DocumentId(document_id), generation: Generation(generation) }
                }),
                original: row.original_id.zip(row.original_generation).map(|(document_id, generation)| {
                    let version = ArtifactRef {
                        document_id: DocumentId(document_id),
                        generation: Generation(generation),
                    };
                    Original { version, is_open: row.original_is_open.unwrap_or(false) }
                }),
                chunk_count: positive("chunk_count", row.chunk_count.unwrap_or(0))?,
                missing_batches: missing_batches(row.batch_count, &row.batches_done),
                last_error: row.last_error,
            });
        }
        Ok(work)
    }

    /// Records that a staged item's chunks are in `batch_count` batches. Returns whether it was staged.
    pub async fn mark_chunked(
        &mut self,
        id: ItemId,
        chunk_count: u32,
        batch_count: u32,
        warnings: &[DocumentWarning],
    ) -> Result<bool, DbError> {
        let row = sqlx::query!(
            "WITH item AS (
                UPDATE operation_items
                SET state = 'chunked', chunk_count = $2, batch_count = $3, batches_done = '{}',
                    warnings = $4, chunked_at = now(), dispatched_at = now(), updated_at = now()
                WHERE id = $1 AND state = 'staged'
                RETURNING id, document_id, is_reindex
            ),
            document AS (
                UPDATE documents d SET status = 'processing', updated_at = now()
                FROM item WHERE d.id = item.document_id AND d.status = 'pending' AND NOT item.is_reindex
            )
            SELECT id FROM item",
            id.0,
            i32::try_from(chunk_count).unwrap_or(i32::MAX),
            i32::try_from(batch_count).unwrap_or(i32::MAX),
            Json(warnings) as _,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(row.is_some())
    }

    /// Records that a batch of a chunked item has its points, and counts its chunks. The last batch completes the item and makes the new version searchable in the same
    /// statement. Returns `None` if the item is not chunked.
    pub async fn mark_batch_done(
        &mut self,
        id: ItemId,
        batch: u32,
        chunks: BatchChunks,
    ) -> Result<Option<BatchDone>, DbError> {
        let batch = i32::try_from(batch).unwrap_or(i32::MAX);
        let row = sqlx::query_file!(
            "queries/operations/mark_batch_done.sql",
            id.0,
            batch,
            i32::try_from(chunks.reused).unwrap_or(i32::MAX),
            i32::try_from(chunks.unknown).unwrap_or(i32::MAX),
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        Ok(Some(BatchDone {
            done: positive("batches_done", row.done)?,
            total: positive("batch_count", row.total)?,
            replaced_generation: row.is_last.then_some(Generation(row.replaced_generation)),
        }))
    }

    /// Ends an open item that cannot be indexed, together with its document, and removes the files that were found in
    /// it and are not staged. Returns whether the item was open.
    ///
    /// Runs several statements: call it in a transaction.
    pub async fn mark_failed(&mut self, id: ItemId, failure: &ItemFailure) -> Result<bool, DbError> {
        let (state, reason, category) = match failure {
            ItemFailure::Skipped { reason } => ("skipped", reason, None),
            ItemFailure::Failed { reason, category } => ("failed", reason, Some(category.as_str())),
        };
        let row = sqlx::query_file!("queries/operations/fail_item.sql", id.0, state, reason, category)
            .fetch_optional(&mut *self.connection)
            .await?;
        if row.is_none() {
            return Ok(false);
        }
        self.discard_members_of(id).await?;
        Ok(true)
    }

    /// Cancels an open item. A searchable version of its document stays searchable. Returns whether the
    /// item was open.
    ///
    /// Runs several statements: call it in a transaction.
    pub async fn mark_cancelled(&mut self, id: ItemId) -> Result<bool, DbError> {
        let done = sqlx::query!(
            "UPDATE operation_items SET state = 'cancelled', updated_at = now()
            WHERE id = $1 AND state IN ('listed', 'staged', 'chunked')",
            id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        self.release_documents(&[id], EarlyEnd::Cancelled).await?;
        self.discard_members_of(id).await?;
        Ok(true)
    }

    /// Ends the documents of items that ended early.
    pub(crate) async fn release_documents(
        &mut self,
        ids: &[ItemId],
        end: EarlyEnd<'_>,
    ) -> Result<(), DbError> {
        let (state, reason, category) = (end.as_str(), end.reason(), end.category());
        let item_ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        sqlx::query_file!("queries/operations/release_documents.sql", &item_ids, state, reason, category)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}

fn positive(column: &'static str, value: i32) -> Result<u32, DbError> {
    u32::try_from(value).map_err(|_| DbError::Inconsistent {
        table: "operation_items",
        column,
        value: value.to_string(),
    })
}
