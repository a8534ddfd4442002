//! Keeps the vectors of a batch that takes longer than one turn of an invocation.
//!
//! They are staged under the key of the batch's vectors, with their positions, and replaced by the complete ones in the
//! end. Until then the document is not searchable, and nothing else reads them.

use artifacts::{ArtifactError, codec};
use domain::ErrorKind;
use lambda::StageError;

use crate::State;
use crate::jobs::Job;

/// Adds the vectors that an earlier delivery of the job's message has left.
///
/// # Errors
/// Returns a retryable error if the bucket is unavailable.
pub(crate) async fn take_up_progress(state: &State, job: &mut Job) -> Result<(), StageError> {
    // No earlier delivery: spares new batches a request.
    if !job.request.message.is_begun && job.request.receive_count <= 1 {
        return Ok(());
    }
    match state.artifacts.read_begun_vectors(job.key()).await {
        Ok(begun) if begun.origin == codec::vectors_origin(&job.work.settings) => {
            for (row, vector) in begun.vectors {
                if let Some(place) = job.vectors.get_mut(row).filter(|place| place.is_none()) {
                    *place = Some(vector);
                }
            }
            Ok(())
        }
        // Computed with other settings, or nothing was left.
        Ok(_) | Err(ArtifactError::NotFound { .. } | ArtifactError::Refused { .. }) => Ok(()),
        Err(error @ ArtifactError::Malformed { .. }) => {
            tracing::warn!(
                error = lambda::error_chain(&error),
                "unreadable vectors of a begun batch; computing them again"
            );
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Stages the vectors that the job has.
///
/// # Errors
/// Returns a retryable error if the bucket is unavailable.
pub(crate) async fn keep_progress(state: &State, job: &Job) -> Result<(), StageError> {
    let origin = codec::vectors_origin(&job.work.settings);
    let artifact = codec::encode_begun_vectors(&job.vectors, &origin)
        .map_err(|error| StageError::new(ErrorKind::Internal, error))?;
    Ok(state.artifacts.write(&job.key().vectors(), artifact, "application/octet-stream").await?)
}
