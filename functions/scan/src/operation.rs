//! Runs one operation, from the claim to its end.

use db::collections::Collection;
use db::operations::Operation;
use domain::{OperationId, OperationStatus, OperationType};
use lambda::StageError;
use lambda::event::Invocation;

use crate::State;
use crate::ending::{cancel, delete_orphaned_points, fail};
use crate::index::ensure_active_index;
use crate::listing::fill_from_source;
use crate::purge::purge;
use crate::rebuild::rebuild;
use crate::reindex::reindex;
use crate::removal::remove_source;
use crate::repair::repair;
use crate::work_list::{Filled, close};

/// Starts the operation if it is next in its collection, or continues it where it stopped. Returns what was
/// done, for the log.
///
/// # Errors
/// Returns a retryable error if the message must be delivered again.
pub(crate) async fn run_operation(
    state: &State,
    operation_id: OperationId,
    invocation: &Invocation,
) -> Result<&'static str, StageError> {
    let mut connection = state.db.connection().await?;
    let Some(operation) = connection.operations().find(operation_id).await? else {
        return Ok("gone");
    };
    match operation.status {
        OperationStatus::Pending if !connection.operations().claim(operation_id).await? => {
            return Ok("not its turn");
        }
        OperationStatus::Pending | OperationStatus::Processing => {}
        OperationStatus::Completed => return Ok("done before"),
        // A crash may have prevented what follows its end.
        OperationStatus::Failed | OperationStatus::Cancelled => {
            drop(connection);
            return delete_orphaned_points(state, &operation, invocation).await;
        }
    }
    let Some(collection) = connection.collections().find_any(operation.collection_id).await? else {
        return Ok("gone");
    };
    drop(connection);
    match run(state, &operation, &collection, invocation).await {
        Ok(outcome) => Ok(outcome),
        Err(error) if error.is_retryable() => Err(error),
        Err(error) => fail(state, &operation, &error, invocation).await,
    }
}

async fn run(
    state: &State,
    operation: &Operation,
    collection: &Collection,
    invocation: &Invocation,
) -> Result<&'static str, StageError> {
    let is_deletion = operation.operation_type == OperationType::Delete;
    if operation.cancel_requested_at.is_some() || (collection.deleted_at.is_some() && !is_deletion) {
        return cancel(state, operation, invocation).await;
    }
    match operation.operation_type {
        OperationType::Index => {
            ensure_active_index(state, collection).await?;
            close(state, operation.id).await?;
            Ok("index created")
        }
        OperationType::Append | OperationType::RetryDocuments | OperationType::RestoreDocuments => {
            // It is missing only if the collection's index operation failed.
            ensure_active_index(state, collection).await?;
            list(state, operation, invocation).await
        }
        OperationType::RemoveDocuments => list(state, operation, invocation).await,
        OperationType::RemoveSource => remove_source(state, operation, collection, invocation).await,
        OperationType::Rebuild => rebuild(state, operation, collection, invocation).await,
        OperationType::Delete => purge(state, operation, collection, invocation).await,
        OperationType::Repair => repair(state, operation, collection, invocation).await,
        OperationType::Reindex => reindex(state, operation, collection, invocation).await,
    }
}

async fn list(
    state: &State,
    operation: &Operation,
    invocation: &Invocation,
) -> Result<&'static str, StageError> {
    let filled = fill_from_source(state, operation, invocation).await?;
    if filled == Filled::Complete {
        close(state, operation.id).await?;
    }
    Ok(filled.as_str())
}
