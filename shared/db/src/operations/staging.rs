//! What the scan function reads of items before it stages them, and what it writes afterwards.

use domain::{
    CollectionId, DocumentId, DocumentMetadata, ErrorCategory, Generation, ItemId, ItemState, OperationId,
    SourceId,
};
use sqlx::types::Json;

use super::items::OperationItems;
use crate::DbError;

/// An item to stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagingItem {
    /// ID of the item.
    pub id: ItemId,
    /// State of the item; after `listed`, its bytes are staged already.
    pub state: ItemState,
    /// Whether its document is to be removed instead of indexed.
    pub is_removal: bool,
    /// Its document, if that was known when the item was added.
    pub document_id: Option<DocumentId>,
    /// The document that contains its document, if that was known when the item was added.
    pub container_id: Option<DocumentId>,
    /// Whether extract stages it, while it reads the container.
    pub is_extracted: bool,
    /// The source its document comes from.
    pub source_id: Option<SourceId>,
    /// The staged bytes to read instead of the source, if they still exist.
    pub staged_bytes: Option<ArtifactRef>,
    /// URI of the document.
    pub uri: String,
    /// Location of the document in its source.
    pub location: String,
    /// The last component of its path.
    pub file_name: String,
    /// Size in bytes, as listed.
    pub size_bytes: i64,
    /// Media type, if the source knows it.
    pub mime_type: Option<String>,
    /// Change hint of this version.
    pub change_hint: Option<String>,
    /// Whether its bytes were stored when it was listed.
    pub is_fetched: bool,
    /// Metadata that came with the upload, if any.
    pub metadata: Option<DocumentMetadata>,
    /// The title that its source gives it, if any.
    pub title: Option<String>,
    /// The generation to stage the bytes under. The same for every retry.
    pub generation: Generation,
}

/// The staged bytes of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArtifactRef {
    /// The document.
    pub document_id: DocumentId,
    /// The generation.
    pub generation: Generation,
}

/// The outcome of staging an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StagingOutcome {
    /// The bytes are staged and will be indexed.
    Staged,
    /// The document has no content to index.
    Skipped {
        /// The reason.
        reason: String,
    },
    /// The bytes could not be read.
    Failed {
        /// The reason, and what to do about it.
        reason: String,
        /// Whether a retry can help.
        category: ErrorCategory,
    },
}

/// An item and the outcome of staging it.
#[derive(Debug, Clone)]
pub struct StagedItem<'a> {
    /// ID of the item.
    pub item_id: ItemId,
    /// Its collection.
    pub collection_id: CollectionId,
    /// Its source.
    pub source_id: Option<SourceId>,
    /// Its document.
    pub document_id: DocumentId,
    /// SHA-256 of the bytes in hex, if they were read.
    pub content_hash: Option<&'a str>,
    /// Size in bytes.
    pub size_bytes: i64,
    /// Media type.
    pub mime_type: Option<&'a str>,
    /// Change hint of the version that was read, if it is newer than the listing.
    pub change_hint: Option<&'a str>,
    /// The outcome.
    pub outcome: &'a StagingOutcome,
}

impl OperationItems<'_> {
    /// Ends those of these listed items that need nothing: the document is deleted and stays so, or it was
    /// indexed after it was put on a retry's or restore's work list. Returns how many.
    pub async fn settle(&mut self, operation_id: OperationId, ids: &[ItemId]) -> Result<u64, DbError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let done = sqlx::query_file!("queries/operations/settle_items.sql", operation_id.0, &ids)
            .execute(&mut *self.connection)
            .await?;
        Ok(done.rows_affected())
    }

    /// Starts an attempt at staging these items of the operation: reserves a generation for each and
    /// returns them in order. A new document gets [`Generation::FIRST`].
    pub async fn begin_staging(
        &mut self,
        operation_id: OperationId,
        ids: &[ItemId],
    ) -> Result<Vec<StagingItem>, DbError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let rows = sqlx::query_file!("queries/operations/begin_staging.sql", operation_id.0, &ids)
            .fetch_all(&mut *self.connection)
            .await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            items.push(StagingItem {
                id: ItemId(row.id),
                state: DbError::parse_label("operation_items", "state", &row.state)?,
                uri: row.uri,
                location: row.location,
                file_name: row.file_name,
                size_bytes: row.size_bytes,
                mime_type: row.mime_type,
                change_hint: row.change_hint,
                is_fetched: row.is_fetched,
                metadata: row.attributes.map(|metadata| metadata.0),
                title: row.title,
                generation: Generation(row.generation),
                is_removal: row.is_removal,
                document_id: row.document_id.map(DocumentId),
                container_id: row.container_id.map(DocumentId),
                is_extracted: row.is_extracted,
                source_id: row.source_id.map(SourceId),
                staged_bytes: row.copy_document_id.zip(row.copy_generation).map(
                    |(document_id, generation)| ArtifactRef {
                        document_id: DocumentId(document_id),
                        generation: Generation(generation),
                    },
                ),
            });
        }
        Ok(items)
    }

    /// Records why an attempt at staging a listed item failed that will be repeated. The next outcome replaces it.
    pub async fn note_failed_attempt(&mut self, id: ItemId, reason: &str) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE operation_items SET error_message = $2, error_category = 'transient'
            WHERE id = $1 AND state = 'listed'",
            id.0,
            reason,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Records the outcome for a listed item: updates the item, its document and the staged bytes in one
    /// statement. Returns whether it did; it does not if the item is no longer listed, or the document was deleted
    /// since [`Self::settle`].
    ///
    /// A searchable document stays as it is until its new version is indexed.
    ///
    /// # Errors
    /// Returns [`DbError::LimitReached`] if the document exceeds a quota of the collection or its owner.
    pub async fn mark_staged(&mut self, staged: &StagedItem<'_>) -> Result<bool, DbError> {
        let (state, reason, category) = match staged.outcome {
            StagingOutcome::Staged => (ItemState::Staged, None, None),
            StagingOutcome::Skipped { reason } => (ItemState::Skipped, Some(reason), None),
            StagingOutcome::Failed { reason, category } => (ItemState::Failed, Some(reason), Some(category)),
        };
        let row = sqlx::query_file!(
            "queries/operations/stage_item.sql",
            staged.item_id.0,
            staged.document_id.0,
            staged.collection_id.0,
            staged.source_id.map(|id| id.0),
            state.as_str(),
            staged.content_hash,
            staged.size_bytes,
            staged.mime_type,
            reason,
            category.map(|category| category.as_str()),
            staged.change_hint,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(row.is_some())
    }

    /// Ends a listed item whose document is already searchable with the same bytes, and updates its change
    /// hint and its URL. Returns whether it was listed.
    pub async fn mark_item_unchanged(
        &mut self,
        item_id: ItemId,
        document_id: DocumentId,
    ) -> Result<bool, DbError> {
        let row = sqlx::query!(
            "WITH item AS (
                UPDATE operation_items SET state = 'unchanged', document_id = $2, updated_at = now()
                WHERE id = $1 AND state = 'listed'
                RETURNING change_hint, container_id, url
            )
            UPDATE documents d
            SET change_hint = item.change_hint, last_seen_at = now(), is_stale = FALSE,
                container_id = coalesce(item.container_id, d.container_id), url = coalesce(item.url, d.url),
                updated_at = now()
            FROM item WHERE d.id = $2
            RETURNING d.id",
            item_id.0,
            document_id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(row.is_some())
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod url_tests;
