//! Documents that go: hidden first, then their points, then counted.

use std::time::Duration;

use db::collections::Collection;
use db::operations::{Operation, StagingItem};
use domain::{ItemId, ScanMessage};
use lambda::StageError;
use lambda::event::Invocation;

use crate::State;

/// Documents of a source that are hidden by one statement.
const PAGE: i64 = 1000;

/// With less time than this left, another invocation goes on.
const RESERVE: Duration = Duration::from_secs(30);

/// Removes the documents of listed items. Stopped half-way, it does the same again.
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
        for name in indexes(state, collection).await? {
            state.vectors.delete_documents(&name, &documents).await?;
        }
    }
    state.db.connection().await?.operation_items().finish_removals(&ids).await?;
    Ok(())
}

/// Removes a source: its documents are hidden, their points deleted by one filter, and then the
/// source itself goes, unless it was added again meanwhile.
pub(crate) async fn remove_source(
    state: &State,
    operation: &Operation,
    collection: &Collection,
    invocation: &Invocation,
) -> Result<&'static str, StageError> {
    // Without one, it is gone already.
    if let Some(source_id) = operation.source_id {
        let mut connection = state.db.connection().await?;
        while connection.operations().remove_source_documents(operation.id, source_id, PAGE).await? > 0 {
            if invocation.remaining() < RESERVE {
                state.queues.send_scan(&[ScanMessage::RunOperation { operation_id: operation.id }]).await?;
                return Ok("removed in part");
            }
        }
        drop(connection);
        for name in indexes(state, collection).await? {
            state.vectors.delete_source(&name, source_id.0).await?;
        }
        let mut tx = state.db.begin().await?;
        tx.documents().mark_source_purged(source_id).await?;
        tx.collection_sources().delete_unless_awaited(source_id, operation.id).await?;
        tx.operations().mark_scan_finished(operation.id).await?;
        tx.commit().await?;
    }
    state.db.connection().await?.operations().mark_scan_finished(operation.id).await?;
    dispatch::end_operation(&state.db, &state.queues, operation.id).await?;
    Ok("source removed")
}

/// What holds points of the collection: the index that answers, and those that it may go back to. What
/// is deleted must not come back with them.
async fn indexes(state: &State, collection: &Collection) -> Result<Vec<String>, StageError> {
    let mut names = vec![collection.vector_store_name.clone()];
    names.extend(state.db.connection().await?.retired_vector_stores().list_kept(collection.id).await?);
    Ok(names)
}
