//! Removes documents: they are hidden first, then their points are deleted, then they are counted.

use db::collections::Collection;
use db::operations::{Operation, StagingItem};
use domain::{ItemId, SourceId};
use lambda::StageError;
use lambda::event::Invocation;

use crate::State;
use crate::index::list_indexes;
use crate::work_list::{Filled, Page, Producer, close, fill};

/// Documents of a source that are hidden by one statement.
const DOCUMENTS_PER_PAGE: i64 = 1000;

/// Removes the documents of listed items. After a crash, the same steps run again.
pub(crate) async fn remove_documents(
    state: &State,
    collection: &Collection,
    items: &[StagingItem],
) -> Result<(), StageError> {
    if items.is_empty() {
        return Ok(());
    }
    let ids: Vec<ItemId> = items.iter().map(|item| item.id).collect();
    let documents = state.db.connection().await?.operation_items().begin_removals(&ids).await?;
    if !documents.is_empty() {
        for name in list_indexes(state, collection).await? {
            state.vectors.delete_documents(&name, &documents).await?;
        }
    }
    state.db.connection().await?.operation_items().finish_removals(&ids).await?;
    Ok(())
}

/// Removes a source: hides its documents, deletes their points by one filter, then deletes the source
/// unless it was added again meanwhile.
pub(crate) async fn remove_source(
    state: &State,
    operation: &Operation,
    collection: &Collection,
    invocation: &Invocation,
) -> Result<&'static str, StageError> {
    // Without a source id, the source is deleted already.
    if let Some(source_id) = operation.source_id {
        let mut documents = DocumentsOfSource { state, operation, source_id };
        let filled = fill(state, operation, &mut documents, invocation).await?;
        if filled != Filled::Complete {
            return Ok(filled.as_str());
        }
        for name in list_indexes(state, collection).await? {
            state.vectors.delete_source(&name, source_id.0).await?;
        }
        let mut tx = state.db.begin().await?;
        if let Some(lock) = tx.collections().lock(collection.id).await? {
            tx.documents().mark_source_purged(source_id).await?;
            tx.collection_sources().delete_unless_in_use(&lock, source_id, operation.id).await?;
        }
        tx.operations().mark_scan_finished(operation.id).await?;
        tx.commit().await?;
    }
    close(state, operation.id).await?;
    Ok("source removed")
}

/// Hides the documents of a removed source and puts them on the work list as removed.
struct DocumentsOfSource<'a> {
    state: &'a State,
    operation: &'a Operation,
    source_id: SourceId,
}

impl Producer for DocumentsOfSource<'_> {
    const NEEDS_STAGING: bool = false;

    async fn produce(&mut self, _: Option<&str>) -> Result<Page, StageError> {
        let mut connection = self.state.db.connection().await?;
        let hidden = connection
            .operations()
            .remove_source_documents(self.operation.id, self.source_id, DOCUMENTS_PER_PAGE)
            .await?;
        Ok(if hidden > 0 { Page::More } else { Page::Last })
    }
}
