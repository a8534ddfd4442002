//! Stores an embedded batch; the last batch of a document makes its new generation searchable.

use artifacts::codec;
use db::operations::{BatchChunks, BatchDone, ItemFailure, ItemWork, StagedVersion};
use dispatch::FailedDocument;
use domain::{DocumentId, EmbedBatch, ErrorCategory, ErrorKind, Generation};
use lambda::StageError;
use lambda::metric::{self, Metric};

use crate::State;
use crate::jobs::Job;

/// Writes a batch's vectors and points and marks the batch as done. The last batch of a document makes
/// its new generation searchable and deletes the points of older ones. Returns the document's progress;
/// `None` if the item has ended meanwhile.
pub(crate) async fn store(
    state: &State,
    job: &Job,
    vectors: Vec<Vec<f32>>,
) -> Result<Option<BatchDone>, StageError> {
    // The embedder gives them no direction, so that they resemble nothing.
    let unknown = vectors.iter().filter(|vector| vector.iter().all(|value| *value == 0.0)).count();
    match write(state, job, vectors).await {
        Ok(()) => {}
        Err(error) if error.is_retryable() => return Err(error),
        Err(error) => {
            fail(state, &job.work, &error).await?;
            return Ok(None);
        }
    }
    let chunks =
        BatchChunks { reused: job.reused_chunks, unknown: u32::try_from(unknown).unwrap_or(u32::MAX) };
    let done = state
        .db
        .connection()
        .await?
        .operation_items()
        .mark_batch_done(job.work.item_id, job.batch(), chunks)
        .await?;
    lambda::fault::point("embed-committed");
    let Some(done) = done else {
        // The item ended while its points were being written.
        let found = state.db.connection().await?.operation_items().find_work(&[job.work.item_id]).await?;
        if let Some(work) = found.first() {
            delete_useless_points(state, work).await?;
        }
        return Ok(None);
    };
    metric::add(Metric::ChunksIndexed, job.chunks.len());
    if done.replaced_generation.is_none() {
        send_next(state, job.request.message, &job.work.missing_batches).await?;
        return Ok(Some(done));
    }
    metric::add(Metric::DocumentsIndexed, 1);
    // Even if nothing was searchable: an earlier generation may have been interrupted half-way.
    if job.staged.generation.has_predecessors() && !job.work.is_reindex {
        delete_before(state, &job.work, job.staged.document_id, job.staged.generation).await?;
        state.db.connection().await?.operation_items().mark_points_deleted(&[job.work.item_id]).await?;
    }
    dispatch::end_operation(&state.db, &state.queues, job.work.operation_id).await?;
    Ok(Some(done))
}

/// Sends the message of the batch that follows one that is done, if one does.
pub(crate) async fn send_next(state: &State, done: EmbedBatch, missing: &[u32]) -> Result<(), StageError> {
    if let Some(next) = done.next(missing) {
        state.queues.send_embed(&[next]).await?;
    }
    Ok(())
}

/// Cancels an item of a cancelled operation and deletes the points that it has written.
pub(crate) async fn cancel(state: &State, work: &ItemWork) -> Result<(), StageError> {
    let mut tx = state.db.begin().await?;
    tx.operation_items().mark_cancelled(work.item_id).await?;
    tx.commit().await?;
    delete_useless_points(state, work).await
}

/// Deletes the points that the end of an item made useless, and ends its operation if the item was its
/// last. A crash may have prevented either.
pub(crate) async fn delete_useless_points(state: &State, work: &ItemWork) -> Result<(), StageError> {
    if let Some(StagedVersion { document_id, generation, searchable_generation, .. }) = work.staged {
        if generation != searchable_generation {
            state.vectors.delete_generation(&work.vector_store_name, document_id, generation).await?;
        }
        if searchable_generation.has_predecessors() {
            delete_before(state, work, document_id, searchable_generation).await?;
        }
    }
    state.db.connection().await?.operation_items().mark_points_deleted(&[work.item_id]).await?;
    dispatch::end_operation(&state.db, &state.queues, work.operation_id).await?;
    Ok(())
}

/// Marks the item as failed, with a reason that the user can act on.
pub(crate) async fn fail(state: &State, work: &ItemWork, error: &StageError) -> Result<(), StageError> {
    dispatch::log_failed(FailedDocument {
        stage: "embed",
        operation_id: work.operation_id,
        item_id: work.item_id,
        document_id: work.staged.map(|staged| staged.document_id),
        reason: &error.chain(),
        category: ErrorCategory::Permanent,
    });
    let failure = ItemFailure::Failed { reason: error.reason(), category: ErrorCategory::Permanent };
    let mut tx = state.db.begin().await?;
    tx.operation_items().mark_failed(work.item_id, &failure).await?;
    tx.commit().await?;
    delete_useless_points(state, work).await
}

async fn write(state: &State, job: &Job, vectors: Vec<Vec<f32>>) -> Result<(), StageError> {
    let artifact = codec::encode_vectors(&vectors, &codec::vectors_origin(&job.work.settings))
        .map_err(|error| StageError::new(ErrorKind::Internal, error))?;
    let key = job.key().vectors();
    let points = job.version().points(&job.chunks, vectors);
    // Waits for both even if one fails: an upsert still in flight would add points after those of the
    // failed document were deleted.
    let (staged, upserted) = tokio::join!(
        state.artifacts.write(&key, artifact, "application/octet-stream"),
        state.vectors.upsert(&job.work.vector_store_name, points),
    );
    staged?;
    upserted?;
    Ok(())
}

async fn delete_before(
    state: &State,
    work: &ItemWork,
    document_id: DocumentId,
    generation: Generation,
) -> Result<(), StageError> {
    state.vectors.delete_generations_before(&work.vector_store_name, document_id, generation).await?;
    Ok(())
}
