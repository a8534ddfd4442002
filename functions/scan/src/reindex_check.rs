//! Checks that a new index contains what the active one does, before it replaces it.

use std::collections::HashMap;

use db::operations::{Coverage, Operation, ReindexedDocument};
use domain::{ErrorKind, point_id};
use futures_util::{StreamExt, TryStreamExt, stream};
use lambda::StageError;
use uuid::Uuid;

use crate::State;

/// Documents whose neighbours are compared.
const SAMPLES: i64 = 20;

/// A document must be among this many nearest neighbours of its own old vector.
const NEIGHBOURS: u64 = 10;

/// How much rounding to another precision may change a similarity.
const TOLERANCE: f32 = 1e-3;

/// Concurrent calls to Qdrant.
const CONCURRENCY: usize = 4;

/// Checks that every document is in the new index with all its chunks, and nothing else.
///
/// # Errors
/// Returns `Conflict` with what is missing, as the operation's error message.
pub(crate) async fn check_coverage(
    state: &State,
    operation: &Operation,
    coverage: &Coverage,
    new_name: &str,
) -> Result<(), StageError> {
    if coverage.lost > 0 {
        let (lost, documents) = (coverage.lost, coverage.documents);
        let first = coverage.first_lost.as_deref().unwrap_or("unknown reason");
        return Err(refusal(format!(
            "{lost} of {documents} documents cannot be reindexed; the first is {first}"
        )));
    }
    let expected = u64::try_from(coverage.chunks).unwrap_or(0);
    if state.vectors.count(new_name).await? == expected {
        return Ok(());
    }
    // A document that was deleted meanwhile may have orphaned points; the stage that wrote them may still
    // be deleting them.
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

/// For vectors of the same model: checks that a document's old vector finds that document in the new index.
/// Chunk boundaries may differ and chunks may repeat each other, so half of the sample is enough; vectors
/// that are mixed up or of another model stay far below that.
///
/// # Errors
/// Returns `Conflict` with the number of documents that were found.
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
    let found: Vec<bool> = found.buffer_unordered(CONCURRENCY).try_collect().await?;
    let found = found.into_iter().filter(|is_near| *is_near).count();
    tracing::info!(operation.id = %operation.id, found, total, "compared neighbours");
    if found * 2 < total {
        return Err(refusal(format!(
            "the new index finds {found} of {total} sampled documents by their old vectors"
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
    let all = state.vectors.nearest_scores(new_name, vector, None, NEIGHBOURS).await?;
    // Ties with the last neighbour count, whatever their order.
    let last = if all.len() < usize::try_from(NEIGHBOURS).unwrap_or(usize::MAX) { None } else { all.last() };
    Ok(own.first().is_some_and(|own| last.is_none_or(|last| *own >= *last - TOLERANCE)))
}

fn refusal(reason: String) -> StageError {
    StageError::new(ErrorKind::Conflict, format!("{reason}; the active index is unchanged"))
}
