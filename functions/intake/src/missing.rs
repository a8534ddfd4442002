//! Drops that are gone from the bucket: their documents are removed or marked as stale, as the settings of the
//! collection's upload source say.

use db::Tx;
use dispatch::{Initiator, LockedCollection, StartOperation, lock_if_exists};
use domain::{CollectionId, DocumentId, OnMissing, OperationId, OperationType};
use lambda::StageError;
use serde_json::json;

use crate::State;
use crate::spelling::{drop_uri, keep_spelling, stored};

/// Handles drops of one collection, by name and key, that are not in the bucket.
///
/// The document is left alone if a later version of it arrived under another key.
///
/// # Errors
/// Returns a retryable error if PostgreSQL cannot be reached.
pub(crate) async fn handle_missing(
    state: &State,
    collection_id: CollectionId,
    drops: &[(String, String)],
) -> Result<(), StageError> {
    let collection = lock_if_exists(state.db.begin().await?, collection_id).await?;
    let Some(mut collection) = collection.filter(|collection| !collection.is_deleted()) else {
        return Ok(());
    };
    let (mut uris, keys): (Vec<String>, Vec<String>) =
        drops.iter().map(|(name, key)| (drop_uri(name), stored(key))).unzip();
    keep_spelling(collection.tx(), collection_id, uris.iter_mut()).await?;
    let latest = collection.tx().upload_arrivals().find_latest(collection_id, &uris).await?;
    // Without a record, the file arrived before this was recorded; it may have been announced.
    let is_known = |uri: &str, key: &str| {
        let arrival = latest.iter().find(|latest| latest.uri == uri)?.arrival.as_ref()?;
        Some(arrival.object_key == key)
    };
    let (mut gone_uris, mut gone_keys, mut known) = (Vec::new(), Vec::new(), Vec::new());
    for (uri, key) in uris.iter().zip(&keys) {
        match is_known(uri, key) {
            Some(false) => continue,
            Some(true) => known.push(uri.clone()),
            None => {}
        }
        gone_uris.push(uri.clone());
        gone_keys.push(key.clone());
    }
    if gone_uris.is_empty() {
        return Ok(());
    }
    let skipped = collection.tx().operation_items().skip_gone(collection_id, &gone_keys).await?;
    let documents =
        collection.tx().documents().find_at_locations(collection_id, &gone_uris, &gone_keys).await?;
    let source = collection.tx().collection_sources().find_or_create_upload(collection_id).await?;
    let on_missing = source.source_config.get(OnMissing::FIELD).and_then(|word| word.as_str()?.parse().ok());
    let is_removal = on_missing.unwrap_or(OnMissing::Remove) == OnMissing::Remove;
    let (removed, kept): (Vec<_>, Vec<_>) =
        documents.into_iter().partition(|(_, uri)| is_removal && known.contains(uri));
    let kept: Vec<DocumentId> = kept.into_iter().map(|(id, _)| id).collect();
    if !kept.is_empty() {
        collection.tx().documents().mark_stale(&kept).await?;
    }
    tracing::info!(
        collection.id = %collection_id,
        removed = removed.len(),
        stale = kept.len(),
        skipped = skipped.len(),
        "drops are gone from the bucket"
    );
    if removed.is_empty() {
        collection.into_tx().commit().await?;
    } else {
        remove(state, collection, removed.into_iter().map(|(id, _)| id).collect()).await?;
    }
    end_operations(state, skipped).await
}

/// Soft-deletes the documents, and queues the removal of their points.
async fn remove(
    state: &State,
    mut collection: LockedCollection<Tx>,
    documents: Vec<DocumentId>,
) -> Result<(), StageError> {
    for id in &documents {
        collection.tx().documents().mark_missing(*id).await?;
    }
    let initiator = Initiator::System { on_behalf_of: collection.owner_id() };
    let collection_id = collection.id();
    let pending = collection.tx().operations().lock_pending_removal(collection_id).await?;
    let (mut queued, operation_id) = match pending {
        Some(operation_id) => (collection.join(initiator, operation_id), operation_id),
        None => {
            let operation_type = OperationType::RemoveDocuments;
            let operation = StartOperation { operation_type, initiator, config: json!({}) };
            let (queued, operation) = collection.start(operation).await?;
            (queued, operation.id)
        }
    };
    queued.tx().operation_items().insert_removals(operation_id, &documents).await?;
    let details = json!({ "documents": documents });
    let committed = queued.audit("drops_removed", &details).await?.commit(&state.queues).await?;
    committed.dispatch(&state.db, &state.queues).await;
    Ok(())
}

/// The items that were skipped may have been the last of their operations.
async fn end_operations(state: &State, operations: Vec<OperationId>) -> Result<(), StageError> {
    for operation_id in operations {
        dispatch::end_operation(&state.db, &state.queues, operation_id).await?;
    }
    Ok(())
}
