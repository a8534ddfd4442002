//! A collection indexed anew, beside the index that answers.
//!
//! 1. The new index is noted, then made; every searchable document is put on the work list.
//! 2. What is staged of each document is copied to the generation that it has in the new index: no
//!    source is asked. The chunk and embed functions do the rest as always, with the settings that the
//!    operation names.
//! 3. When no item is open, whoever finished the last one sends the operation here again. The new
//!    index is checked, and one transaction lets it answer.
//!
//! Until then nothing that anybody sees has changed, and an operation that ends otherwise leaves no
//! more than an index that sweep drops.

use artifacts::ArtifactError;
use db::collections::Collection;
use db::operations::{ItemFailure, ItemWork, Operation, StagedCopy, StagedVersion, Swap};
use domain::{
    ArtifactKey, ChunkDocument, ErrorCategory, ErrorKind, ItemId, ItemState, OperationId, ScanMessage,
    vector_store_name,
};
use futures_util::{StreamExt, stream};
use lambda::StageError;
use lambda::event::Invocation;

use crate::State;
use crate::listing::send_listed;
use crate::operation::ensure_index;
use crate::reindex_check::{check_coverage, check_neighbours};
use crate::staging::{CONCURRENCY, RESERVE, StagedItems};

/// Takes the reindex as far as it can be taken now.
pub(crate) async fn reindex(
    state: &State,
    operation: &Operation,
    collection: &Collection,
) -> Result<&'static str, StageError> {
    let new_name = fill(state, operation, collection).await?;
    let coverage = state.db.connection().await?.operations().reindex_coverage(operation.id).await?;
    if coverage.open > 0 {
        return Ok("its documents are on their way");
    }
    check_coverage(state, operation, &coverage, &new_name).await?;
    if operation.new_settings()?.embedding_model == collection.settings.embedding_model {
        check_neighbours(state, operation, &collection.vector_store_name, &new_name).await?;
    }
    swap(state, operation.id).await
}

/// Makes the new index and the work list, unless that was done; returns the index's name.
async fn fill(state: &State, operation: &Operation, collection: &Collection) -> Result<String, StageError> {
    let settings = operation.new_settings()?;
    let model = state.models.require(&settings.embedding_model)?;
    let base_name = vector_store_name(collection.id, &model.manifest.short_name, settings.quantization);
    let mut connection = state.db.connection().await?;
    let begun = connection.operations().begin_reindex(operation.id, &base_name).await?;
    let new_name = begun.ok_or_else(|| {
        StageError::new(ErrorKind::Unavailable, "another index of the collection is being filled")
    })?;
    if operation.scan_finished_at.is_none() {
        drop(connection);
        ensure_index(state, &new_name, &settings).await?;
        connection = state.db.connection().await?;
        connection.operation_items().insert_reindexed(operation.id).await?;
        drop(connection);
        send_listed(state, operation.id, ItemId(0)).await?;
        state.db.connection().await?.operations().mark_scan_finished(operation.id).await?;
    }
    Ok(new_name)
}

async fn swap(state: &State, operation_id: OperationId) -> Result<&'static str, StageError> {
    let mut tx = state.db.begin().await?;
    match tx.operations().swap(operation_id, state.reindex_grace).await? {
        Swap::Done(finished) => {
            tx.commit().await?;
            tracing::info!(operation.id = %operation_id, collection.id = %finished.collection_id, "the new index answers");
            dispatch::start_next(&state.db, &state.queues, finished.collection_id).await?;
            Ok("swapped")
        }
        Swap::NotWanted => Ok("done before, or not wanted any more"),
        Swap::Uncovered(documents) => Err(StageError::new(
            ErrorKind::Conflict,
            format!(
                "{documents} documents have changed since they were indexed anew; the index is as it was"
            ),
        )),
    }
}

/// What became of one item.
enum Step {
    Staged(ItemId),
    Ended,
    /// Further than this stage already.
    Passed,
    PutOff(ItemId),
}

/// Copies what is staged of the items' documents to their new generation, and hands them on.
///
/// # Errors
/// When the message should be delivered again. What was copied before that is handed on.
pub(crate) async fn copy_items(
    state: &State,
    operation_id: OperationId,
    ids: &[ItemId],
    invocation: &Invocation,
) -> Result<StagedItems, StageError> {
    let works = state.db.connection().await?.operation_items().find_work(ids).await?;
    let steps = stream::iter(works).map(|work| async move { advance(state, &work, invocation).await });
    let steps: Vec<Result<Step, StageError>> = steps.buffer_unordered(CONCURRENCY).collect().await;
    let mut done = StagedItems::default();
    let (mut to_chunk, mut put_off) = (Vec::new(), Vec::new());
    let mut first_error = None;
    for step in steps {
        match step {
            Ok(Step::Staged(item_id)) => to_chunk.push(ChunkDocument { operation_id, item_id }),
            Ok(Step::Ended) => done.ended += 1,
            Ok(Step::Passed) => {}
            Ok(Step::PutOff(id)) => put_off.push(id),
            Err(error) if first_error.is_none() => first_error = Some(error),
            Err(error) => tracing::warn!(error = error.chain(), "one more item failed"),
        }
    }
    state.queues.send_chunk(&to_chunk).await?;
    done.staged = to_chunk.len();
    if done.ended > 0 {
        dispatch::end_operation(&state.db, &state.queues, operation_id).await?;
    }
    if let Some(error) = first_error {
        return Err(error);
    }
    done.put_off = put_off.len();
    if !put_off.is_empty() {
        state.queues.send_scan(&[ScanMessage::StageItems { operation_id, item_ids: put_off }]).await?;
    }
    Ok(done)
}

async fn advance(state: &State, work: &ItemWork, invocation: &Invocation) -> Result<Step, StageError> {
    match (work.state, work.staged, work.base) {
        (ItemState::Listed, _, _) if invocation.remaining() < RESERVE => Ok(Step::PutOff(work.item_id)),
        (ItemState::Listed, Some(staged), Some(base)) => copy(state, work, staged, base).await,
        // The message after the commit may be what was lost.
        (ItemState::Staged, _, _) => Ok(Step::Staged(work.item_id)),
        (ItemState::Chunked, _, _) => Ok(Step::Passed),
        _ => Ok(Step::Ended),
    }
}

async fn copy(
    state: &State,
    work: &ItemWork,
    staged: StagedVersion,
    base: StagedCopy,
) -> Result<Step, StageError> {
    let collection_id = work.collection_id;
    let from = ArtifactKey::Raw { collection_id, document_id: base.document_id, generation: base.generation };
    let to =
        ArtifactKey::Raw { collection_id, document_id: staged.document_id, generation: staged.generation };
    let copied = match state.artifacts.head(&from).await? {
        Some(head) => state.artifacts.copy(&from, &head.etag, &to).await,
        None => Err(ArtifactError::NotFound { key: from.path() }),
    };
    match copied {
        Ok(()) => {}
        Err(ArtifactError::NotFound { .. }) => {
            let reason = "what was staged of it is gone; index it again from its source".to_owned();
            let failure = ItemFailure::Failed { reason, category: ErrorCategory::Permanent };
            let mut tx = state.db.begin().await?;
            tx.operation_items().mark_failed(work.item_id, &failure).await?;
            tx.commit().await?;
            return Ok(Step::Ended);
        }
        Err(error) => return Err(error.into()),
    }
    let is_mine = state.db.connection().await?.operation_items().mark_copied(work.item_id).await?;
    Ok(if is_mine { Step::Staged(work.item_id) } else { Step::Ended })
}
