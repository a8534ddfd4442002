//! What the scan function finds out about the items of a work list, and what it then writes.
//!
//! A document's `content_hash` belongs to the version that was staged last. The searchable
//! version is the same one where `generation` equals `last_generation`.

use domain::{
    Attributes, CollectionId, DocumentId, ErrorCategory, Generation, ItemId, ItemState, OperationId, SourceId,
};
use sqlx::types::Json;

use super::items::OperationItems;
use crate::DbError;

/// An item whose bytes are to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagingItem {
    /// The item.
    pub id: ItemId,
    /// Its state; past `listed`, its bytes were staged before.
    pub state: ItemState,
    /// Whether its document is to be removed instead of indexed.
    pub is_removal: bool,
    /// Its document, where that was known when it was put on the list.
    pub document_id: Option<DocumentId>,
    /// The source that its bytes come from.
    pub source_id: Option<SourceId>,
    /// The staged copy that its bytes are read from where it is there.
    pub copy: Option<StagedCopy>,
    /// The document's logical name.
    pub uri: String,
    /// Where its bytes are.
    pub location: String,
    /// The last part of its name.
    pub file_name: String,
    /// Its size in bytes, as listed.
    pub size_bytes: i64,
    /// Its media type, where the source says one.
    pub mime_type: Option<String>,
    /// What the source says of this version.
    pub change_hint: Option<String>,
    /// What was said of it along with its bytes, if anything was.
    pub attributes: Option<Attributes>,
    /// The generation that its bytes are staged as. The same at every try.
    pub generation: Generation,
}

/// A document's bytes as they lie staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StagedCopy {
    /// The document.
    pub document_id: DocumentId,
    /// The generation that they belong to.
    pub generation: Generation,
}

/// What became of an item's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StagingOutcome {
    /// They are staged and will be indexed.
    Staged,
    /// They are searchable under another name.
    Duplicate {
        /// The document of that name.
        original: DocumentId,
    },
    /// There is nothing in them to index.
    Skipped {
        /// Why.
        reason: String,
    },
    /// They could not be read.
    Failed {
        /// Why, and what to do about it.
        reason: String,
        /// Whether trying again can help.
        category: ErrorCategory,
    },
}

/// One item's way from the list into the collection.
#[derive(Debug, Clone)]
pub struct StagedItem<'a> {
    /// The item.
    pub item_id: ItemId,
    /// Its collection.
    pub collection_id: CollectionId,
    /// Its source.
    pub source_id: Option<SourceId>,
    /// Its document.
    pub document_id: DocumentId,
    /// SHA-256 of its bytes in hex, if they were read.
    pub content_hash: Option<&'a str>,
    /// Its size in bytes.
    pub size_bytes: i64,
    /// Its media type.
    pub mime_type: Option<&'a str>,
    /// What the source said of the version that was read, if it said anything since the listing.
    pub change_hint: Option<&'a str>,
    /// What became of it.
    pub outcome: &'a StagingOutcome,
}

impl OperationItems<'_> {
    /// Ends those of these listed items that there is nothing to do for: their document is deleted
    /// and stays so, or was indexed since they were put on the list of documents to try again or to
    /// restore. Returns how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn settle(&mut self, operation_id: OperationId, ids: &[ItemId]) -> Result<u64, DbError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let done = sqlx::query_file!("queries/operations/settle_items.sql", operation_id.0, &ids)
            .execute(&mut *self.connection)
            .await?;
        Ok(done.rows_affected())
    }

    /// Notes a try at staging these items of the operation, reserves each a generation, and
    /// returns them in order. Items of a document that was never seen get generation 1.
    ///
    /// # Errors
    /// When the database does not answer.
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
                state: DbError::word("operation_items", "state", &row.state)?,
                uri: row.uri,
                location: row.location,
                file_name: row.file_name,
                size_bytes: row.size_bytes,
                mime_type: row.mime_type,
                change_hint: row.change_hint,
                attributes: row.attributes.map(|attributes| attributes.0),
                generation: Generation(row.generation),
                is_removal: row.is_removal,
                document_id: row.document_id.map(DocumentId),
                source_id: row.source_id.map(SourceId),
                copy: row.copy_document_id.zip(row.copy_generation).map(|(document_id, generation)| {
                    StagedCopy { document_id: DocumentId(document_id), generation: Generation(generation) }
                }),
            });
        }
        Ok(items)
    }

    /// Writes what became of a listed item's bytes: the item, its document and what is staged of it, in
    /// one statement.
    /// Returns whether it did; it does not if the item is no longer listed, if the original of a
    /// duplicate is gone, or if the document was deleted since [`Self::settle`].
    ///
    /// A document that is searchable stays as it is until its new version is indexed.
    ///
    /// # Errors
    /// [`DbError::Constraint`] with [`crate::documents::Documents::HASH_CONSTRAINT`] if another document has laid
    /// claim to the same bytes since they were looked for; [`DbError::LimitReached`] if the collection
    /// or its owner may not hold as much; when the database does not answer.
    pub async fn mark_staged(&mut self, staged: &StagedItem<'_>) -> Result<bool, DbError> {
        let (state, original, reason, category) = match staged.outcome {
            StagingOutcome::Staged => (ItemState::Staged, None, None, None),
            StagingOutcome::Duplicate { original } => (ItemState::Duplicate, Some(original.0), None, None),
            StagingOutcome::Skipped { reason } => (ItemState::Skipped, None, Some(reason), None),
            StagingOutcome::Failed { reason, category } => {
                (ItemState::Failed, None, Some(reason), Some(category))
            }
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
            original,
            reason,
            category.map(|category| category.as_str()),
            staged.change_hint,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(row.is_some())
    }

    /// Ends a listed item whose bytes are those that its document is searchable with already, and
    /// notes what the source says of this version. Returns whether it was listed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mark_item_unchanged(
        &mut self,
        item_id: ItemId,
        document_id: DocumentId,
    ) -> Result<bool, DbError> {
        let row = sqlx::query!(
            "WITH item AS (
                UPDATE operation_items SET state = 'unchanged', document_id = $2, updated_at = now()
                WHERE id = $1 AND state = 'listed'
                RETURNING change_hint
            )
            UPDATE documents d
            SET change_hint = item.change_hint, last_seen_at = now(), is_stale = FALSE,
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
