//! Records the outcome of reading a document.

use artifacts::ArtifactStore;
use db::operations::{StagedItem, StagingItem, StagingOutcome};
use db::{Db, DbError};
use domain::{ArtifactKey, CollectionId, DocumentId, ErrorCategory, SourceId};
use lambda::StageError;

use crate::Content;

/// The document that an item stages.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Its collection.
    pub collection_id: CollectionId,
    /// The document.
    pub document_id: DocumentId,
    /// Its source.
    pub source_id: Option<SourceId>,
    /// The item.
    pub item: &'a StagingItem,
}

/// What was found out about a document while it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadDocument {
    /// Its content.
    pub content: Content,
    /// Its media type, if it is known.
    pub mime_type: Option<String>,
    /// Change hint of the version that was read, if it is newer than the listing.
    pub change_hint: Option<String>,
}

/// What was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// The outcome.
    Done,
    /// That the document exceeds a quota. Its staged bytes are deleted: a retry, once there is room, reads them from
    /// its source.
    Refused,
    /// Nothing: the item is no longer listed, or the document or its container was deleted.
    Overtaken,
}

impl Target<'_> {
    /// The key under which the document's bytes are staged.
    pub const fn key(&self) -> ArtifactKey {
        let Self { collection_id, document_id, item, .. } = *self;
        ArtifactKey::Raw { collection_id, document_id, generation: item.generation }
    }

    /// The outcome for a document that could not be read.
    pub fn unread<'a>(&'a self, outcome: &'a StagingOutcome) -> StagedItem<'a> {
        StagedItem {
            item_id: self.item.id,
            collection_id: self.collection_id,
            source_id: self.source_id,
            document_id: self.document_id,
            content_hash: None,
            size_bytes: self.item.size_bytes,
            mime_type: self.item.mime_type.as_deref(),
            change_hint: None,
            outcome,
        }
    }

    fn read<'a>(&'a self, read: &'a ReadDocument, outcome: &'a StagingOutcome) -> StagedItem<'a> {
        StagedItem {
            content_hash: Some(&read.content.hash),
            size_bytes: i64::try_from(read.content.size_bytes).unwrap_or(i64::MAX),
            mime_type: read.mime_type.as_deref(),
            change_hint: read.change_hint.as_deref(),
            ..self.unread(outcome)
        }
    }
}

/// Records the outcome of reading a document: the item, its document and, if it is staged, its bytes, which are under
/// [`Target::key`] by now.
///
/// # Errors
/// Returns a retryable error if PostgreSQL or S3 is unavailable.
pub async fn record(
    db: &Db,
    artifacts: &ArtifactStore,
    target: &Target<'_>,
    read: &ReadDocument,
    outcome: &StagingOutcome,
) -> Result<Recorded, StageError> {
    let staged = target.read(read, outcome);
    let marked = db.connection().await?.operation_items().mark_staged(&staged).await;
    let reason = match marked {
        Ok(true) => return Ok(Recorded::Done),
        Ok(false) => return Ok(Recorded::Overtaken),
        Err(DbError::LimitReached { reason, .. }) => reason,
        Err(error) => return Err(error.into()),
    };
    let outcome = StagingOutcome::Failed { reason, category: ErrorCategory::Permanent };
    let refused = StagedItem { outcome: &outcome, ..staged };
    let is_ours = db.connection().await?.operation_items().mark_staged(&refused).await?;
    // An invocation that reads the same item concurrently can no longer stage it.
    if is_ours {
        artifacts.delete(&target.key()).await?;
    }
    Ok(Recorded::Refused)
}
