//! One operation, from its turn to its end.

use db::collections::Collection;
use db::operations::Operation;
use domain::{IndexSettings, OperationId, OperationStatus, OperationType};
use lambda::StageError;
use lambda::event::Invocation;
use vectors::IndexSpec;

use crate::State;
use crate::ending::{cancel, delete_orphaned_points, fail};
use crate::listing::{Listed, list_documents};
use crate::purge::purge;
use crate::rebuild::rebuild;
use crate::reindex::reindex;
use crate::removal::remove_source;

/// Starts the operation if it is its collection's turn, or goes on where it stopped. Says what
/// happened, for the log.
///
/// # Errors
/// When the message should be delivered again.
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
            return Ok("waits for its turn");
        }
        OperationStatus::Pending | OperationStatus::Processing => {}
        OperationStatus::Completed => return Ok("done before"),
        // What follows its end may be what was lost.
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
        Err(error) => fail(state, &operation, &error.chain(), invocation).await,
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
            ensure_vectors(state, collection).await?;
            state.db.connection().await?.operations().mark_scan_finished(operation.id).await?;
            dispatch::end_operation(&state.db, &state.queues, operation.id).await?;
            Ok("collection made")
        }
        OperationType::Append | OperationType::RetryDocuments | OperationType::RestoreDocuments => {
            // Usually there already; a collection whose index operation failed is mended by this.
            ensure_vectors(state, collection).await?;
            list(state, operation, invocation).await
        }
        OperationType::RemoveDocuments => list(state, operation, invocation).await,
        OperationType::RemoveSource => remove_source(state, operation, collection, invocation).await,
        OperationType::Rebuild => rebuild(state, operation, collection, invocation).await,
        OperationType::Delete => purge(state, operation, collection, invocation).await,
        OperationType::Reindex => reindex(state, operation, collection).await,
    }
}

async fn list(
    state: &State,
    operation: &Operation,
    invocation: &Invocation,
) -> Result<&'static str, StageError> {
    match list_documents(state, operation, invocation).await? {
        Listed::Everything => {
            dispatch::end_operation(&state.db, &state.queues, operation.id).await?;
            Ok("listed")
        }
        Listed::Part => Ok("listed in part"),
        Listed::ByAnother => Ok("another lists it"),
    }
}

async fn ensure_vectors(state: &State, collection: &Collection) -> Result<(), StageError> {
    ensure_index(state, &collection.vector_store_name, &collection.settings).await
}

/// Makes the Qdrant collection for vectors of these settings, unless it is there.
pub(crate) async fn ensure_index(
    state: &State,
    name: &str,
    settings: &IndexSettings,
) -> Result<(), StageError> {
    let model = state.models.require(&settings.embedding_model)?;
    let spec = IndexSpec {
        name: name.to_owned(),
        dimension: u64::from(model.manifest.dimension),
        quantization: settings.quantization,
    };
    state.vectors.ensure_index(&spec).await?;
    Ok(())
}
