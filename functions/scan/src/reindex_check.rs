//! Whether a new index holds what the old one does, before it takes its place.

use std::collections::HashMap;

use db::operations::{Coverage, Operation, ReindexedDocument};
use domain::{ErrorKind, point_id};
use futures_util::{StreamExt, TryStreamExt, stream};
use lambda::StageError;
use uuid::Uuid;

use crate::State;

/// Documents whose neighbours are compared.
const SAMPLES: i64 = 20;

/// How near a document must be to what the old index holds of it.
const NEAREST: u64 = 10;

/// What rounding to another precision may do to a similarity.
const TOLERANCE: f32 = 1e-3;

/// Calls to Qdrant that are on their way at once.
const CALLS_IN_FLIGHT: usize = 4;

/// Every document is there with all its chunks, and there is nothing else.
///
/// # Errors
/// Says what is missing, in a sentence for the operation.
pub(crate) async fn check_coverage(
    state: &State,
    operation: &Operation,
    coverage: &Coverage,
    new_name: &str,
) -> Result<(), StageError> {
    if coverage.lost > 0 {
        let (lost, documents) = (coverage.lost, coverage.documents);
        let first = coverage.first_lost.as_deref().unwrap_or("no reason is known");
        return Err(refusal(format!(
            "{lost} of {documents} documents cannot be indexed anew; the first is {first}"
        )));
    }
    let expected = u64::try_from(coverage.chunks).unwrap_or(0);
    if state.vectors.count(new_name).await? == expected {
        return Ok(());
    }
    // A document that was deleted meanwhile may have left points behind; who wrote them may still be
    // taking them back.
    let dropped = state.db.connection().await?.operations().list_unindexed(operation.id).await?;
    state.vectors.delete_documents(new_name, &dropped).await?;
    let found = state.vectors.count(new_name).await?;
    if found == expected {
        return Ok(());
    }
    let reason = format!("the new index holds {found} chunks instead of {expected}");
    if dropped.is_empty() {
        Err(refusal(reason))
    } else {
        Err(StageError::new(ErrorKind::Unavailable, reason))
    }
}

/// For vectors of the same model: what the old index holds of a document must lead to that document in
/// the new one, too. Chunks may be cut elsewhere and repeat each other, so half of a sample will do;
/// vectors that were mixed up or are of another model come nowhere near that.
///
/// # Errors
/// Says how many of the sampled documents were not found.
pub(crate) async fn check_neighbours(
    state: &State,
    operation: &Operation,
    old_name: &str,
    new_name: &str,
) -> Result<(), StageError> {
    let sample = state.db.connection().await?.operations().sample_reindexed(operation.id, SAMPLES).await?;
    let points: Vec<(ReindexedDocument, Uuid)> = sample
        .into_iter()
        .map(|document| {
            (document, point_id(document.id, document.old_generation, document.old_chunk_count / 2))
        })
        .collect();
    let ids: Vec<Uuid> = points.iter().map(|(_, id)| *id).collect();
    let mut vectors: HashMap<Uuid, Vec<f32>> = state.vectors.find_vectors(old_name, &ids).await?;
    let sampled: Vec<(ReindexedDocument, Vec<f32>)> =
        points.into_iter().filter_map(|(document, id)| Some((document, vectors.remove(&id)?))).collect();
    let total = sampled.len();
    let found = stream::iter(sampled)
        .map(|(document, vector)| async move { is_near(state, new_name, document, &vector).await });
    let found: Vec<bool> = found.buffer_unordered(CALLS_IN_FLIGHT).try_collect().await?;
    let found = found.into_iter().filter(|is_near| *is_near).count();
    tracing::info!(operation.id = %operation.id, found, total, "neighbours compared");
    if found * 2 < total {
        return Err(refusal(format!(
            "the new index finds {found} of {total} sampled documents by what the old one holds of them"
        )));
    }
    Ok(())
}

async fn is_near(
    state: &State,
    new_name: &str,
    document: ReindexedDocument,
    vector: &[f32],
) -> Result<bool, StageError> {
    let own = state.vectors.nearest_scores(new_name, vector, Some(document.id), 1).await?;
    let all = state.vectors.nearest_scores(new_name, vector, None, NEAREST).await?;
    // The last of the nearest: whoever is as near counts, in whatever order they come.
    let last = if all.len() < usize::try_from(NEAREST).unwrap_or(usize::MAX) { None } else { all.last() };
    Ok(own.first().is_some_and(|own| last.is_none_or(|last| *own >= *last - TOLERANCE)))
}

fn refusal(reason: String) -> StageError {
    StageError::new(ErrorKind::Conflict, format!("{reason}; the index is as it was"))
}
