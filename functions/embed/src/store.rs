//! What is written of an embedded batch, and what follows from the last one.

use artifacts::codec;
use db::item_work::{BatchDone, ItemFailure, ItemWork, StagedVersion};
use domain::{ArtifactKey, DocumentId, ErrorCategory, ErrorKind};
use lambda::StageError;

use crate::State;
use crate::jobs::Job;

/// Writes a batch's vectors and points and counts it. With the last batch of a document its new
/// version becomes searchable, and the points of older ones go. Returns how far the document is;
/// nothing if the item has ended meanwhile.
pub(crate) async fn store(
    state: &State,
    job: &Job,
    vectors: &[Vec<f32>],
) -> Result<Option<BatchDone>, StageError> {
    match write(state, job, vectors).await {
        Ok(()) => {}
        Err(error) if error.is_retryable() => return Err(error),
        Err(error) => {
            fail(state, &job.work, error.chain()).await?;
            return Ok(None);
        }
    }
    let done =
        state.db.connection().await?.operation_items().mark_batch_done(job.work.item_id, job.batch).await?;
    let Some(replaced_generation) = done.and_then(|done| done.replaced_generation) else {
        return Ok(done);
    };
    if replaced_generation > 0 {
        delete_before(state, &job.work, job.staged.document_id, job.staged.generation).await?;
    }
    handover::end_operation(&state.db, &state.queues, job.work.operation_id).await?;
    Ok(done)
}

/// Does what may be left to do for an item that has ended: points that its end made useless, and
/// the end of its operation.
pub(crate) async fn clean_up(state: &State, work: &ItemWork) -> Result<(), StageError> {
    if let Some(StagedVersion { document_id, searchable_generation, .. }) = work.staged
        && searchable_generation > 1
    {
        delete_before(state, work, document_id, searchable_generation).await?;
    }
    handover::end_operation(&state.db, &state.queues, work.operation_id).await?;
    Ok(())
}

/// Ends the item with a reason that a person can act on.
pub(crate) async fn fail(state: &State, work: &ItemWork, reason: String) -> Result<(), StageError> {
    let failure = ItemFailure::Failed { reason, category: ErrorCategory::Permanent };
    let mut tx = state.db.begin().await?;
    tx.operation_items().mark_failed(work.item_id, &failure).await?;
    tx.commit().await?;
    handover::end_operation(&state.db, &state.queues, work.operation_id).await?;
    Ok(())
}

async fn write(state: &State, job: &Job, vectors: &[Vec<f32>]) -> Result<(), StageError> {
    let StagedVersion { document_id, generation, .. } = job.staged;
    let collection_id = job.work.collection_id;
    let key = ArtifactKey::Vectors { collection_id, document_id, generation, batch: job.batch };
    let artifact = codec::encode_vectors(vectors, &job.work.settings.embedding_model)
        .map_err(|error| StageError::new(ErrorKind::Internal, error))?;
    state.artifacts.write(&key, artifact, "application/octet-stream").await?;
    state.vectors.upsert(&job.work.vector_store_name, job.points(vectors)).await?;
    Ok(())
}

async fn delete_before(
    state: &State,
    work: &ItemWork,
    document_id: DocumentId,
    generation: i32,
) -> Result<(), StageError> {
    state.vectors.delete_generations_before(&work.vector_store_name, document_id, generation).await?;
    Ok(())
}
