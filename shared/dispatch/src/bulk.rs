//! Operations that no single collection's request starts: repairs by sweep, and rebuilds.

use std::time::Duration;

use db::operations::QueuedRebuild;
use db::{Db, DbError, Tx};
use domain::{CollectionId, OperationType};
use lambda::StageError;
use queue::Queues;
use serde_json::{Value, json};

use crate::initiator::Initiator;
use crate::start::{Committed, LockedCollection, Queued, StartOperation, lock_if_exists};

/// Starts an operation in each idle collection that has deleted documents whose points are left over:
/// the operation that was to delete them failed or was cancelled. Documents count `age` after their
/// deletion. The operations are to be dispatched with [`crate::dispatch_all`].
pub async fn queue_unpurged(
    db: &Db,
    queues: &Queues,
    age: Duration,
    max_collections: i64,
    max_documents: i64,
) -> Result<Vec<Committed>, StageError> {
    let ids = db.connection().await?.collections().list_unpurged(age, max_collections).await?;
    let mut committed = Vec::new();
    for id in ids {
        let Some(collection) = lock_idle(db, id).await? else { continue };
        if collection.is_deleted() {
            continue;
        }
        let reason = "points of deleted documents were not deleted";
        let start = repair(&collection, OperationType::RemoveDocuments, json!({ "reason": reason }));
        let (mut queued, operation) = collection.start(start).await?;
        let documents =
            queued.tx().operation_items().insert_unpurged(operation.id, age, max_documents).await?;
        // Another sweep may have dealt with them before the lock was granted.
        if documents > 0 {
            let details = json!({ "reason": reason, "documents": documents });
            committed.push(queued.audit("removal_requeued", &details).await?.commit(queues).await?);
        }
    }
    Ok(committed)
}

/// Starts an operation in each idle collection that has searchable documents without points: earlier
/// versions recorded documents with equal bytes as duplicates. The operations are to be dispatched with
/// [`crate::dispatch_all`].
pub async fn queue_without_points(
    db: &Db,
    queues: &Queues,
    max_collections: i64,
    max_documents: i64,
) -> Result<Vec<Committed>, StageError> {
    let reason = "documents with equal bytes get points of their own";
    let ids = db.connection().await?.collections().list_without_points(reason, max_collections).await?;
    let mut committed = Vec::new();
    for id in ids {
        let Some(collection) = lock_idle(db, id).await? else { continue };
        if collection.is_deleted() {
            continue;
        }
        let config = json!({ "work_list": "given", "reason": reason });
        let start = repair(&collection, OperationType::Append, config);
        let (mut queued, operation) = collection.start(start).await?;
        let documents =
            queued.tx().operation_items().insert_without_points(operation.id, max_documents).await?;
        if documents > 0 {
            let details = json!({ "reason": reason, "documents": documents });
            committed.push(queued.audit("duplicates_requeued", &details).await?.commit(queues).await?);
        }
    }
    Ok(committed)
}

/// Starts an operation for each deleted collection that still exists `age` after its deletion, and
/// after the last operation that was to purge it. The operations are to be dispatched with
/// [`crate::dispatch_all`].
pub async fn queue_unfinished_deletions(
    db: &Db,
    queues: &Queues,
    age: Duration,
    max_collections: i64,
) -> Result<Vec<Committed>, StageError> {
    let unfinished =
        db.connection().await?.collections().list_unfinished_deletions(age, max_collections).await?;
    let mut committed = Vec::new();
    for deletion in unfinished {
        let Some(collection) = lock_idle(db, deletion.collection_id).await? else { continue };
        let reason = "an earlier deletion failed";
        let config = json!({ "vector_store_name": deletion.vector_store_name, "reason": reason });
        let start = repair(&collection, OperationType::Delete, config);
        let (queued, _) = collection.start(start).await?;
        let details = json!({ "reason": reason });
        committed.push(queued.audit("deletion_requeued", &details).await?.commit(queues).await?);
    }
    Ok(committed)
}

/// Queues a rebuild of every collection, or of those named, unless one is pending there. Returns all
/// rebuilds that are pending then; collections that do not exist have none.
///
/// One statement inserts them all. It locks no collection row, because it depends on nothing that
/// such a lock protects.
pub async fn start_rebuilds<'a>(
    mut tx: Tx,
    initiator: Initiator<'a>,
    only: Option<&[CollectionId]>,
) -> Result<(Queued<'a, Tx>, Vec<QueuedRebuild>), DbError> {
    let rebuilds = tx.operations().queue_rebuilds(initiator.user_id(), only).await?;
    let to_dispatch = rebuilds.iter().map(|rebuild| rebuild.operation_id).collect();
    Ok((Queued { tx, initiator, collection: None, audited: None, to_dispatch }, rebuilds))
}

/// Locks the collection unless it is gone or an operation of it is open.
async fn lock_idle(db: &Db, id: CollectionId) -> Result<Option<LockedCollection<Tx>>, DbError> {
    let Some(mut collection) = lock_if_exists(db.begin().await?, id).await? else {
        return Ok(None);
    };
    let is_busy = collection.tx().operations().has_open(id).await?;
    Ok((!is_busy).then_some(collection))
}

fn repair(
    collection: &LockedCollection<Tx>,
    operation_type: OperationType,
    config: Value,
) -> StartOperation<'static> {
    let initiator = Initiator::System { on_behalf_of: collection.owner_id() };
    StartOperation { operation_type, initiator, config }
}
