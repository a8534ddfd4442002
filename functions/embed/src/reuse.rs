//! Reuses the vectors of chunks whose text an earlier generation of the document contains: a change costs
//! only the chunks that changed, and a restored document costs nothing.

use std::collections::HashMap;

use artifacts::{ArtifactError, BatchKey, codec};
use db::operations::ItemWork;
use domain::{ArtifactKey, ChunkRecord};
use lambda::StageError;

use crate::State;

/// How many batches before and after its own position a batch's chunks are searched for: inserted or
/// deleted text shifts what follows. Farther away, embedding costs less than searching.
const REACH: u32 = 4;

/// Returns a vector for each of the batch's chunks that the item's base generation contains, `None` for
/// the others. Unreadable staged vectors are computed again.
pub(crate) async fn find_reusable_vectors(
    state: &State,
    work: &ItemWork,
    batch: u32,
    chunks: &[ChunkRecord],
) -> Result<Vec<Option<Vec<f32>>>, StageError> {
    let mut known = vec![None; chunks.len()];
    let Some(base) = work.base else {
        return Ok(known);
    };
    let origin = codec::vectors_origin(&work.settings);
    let mut wanted = Wanted::of(chunks);
    let mut end = u32::MAX;
    for batch in nearby_batches(batch) {
        if wanted.is_empty() {
            break;
        }
        if batch >= end {
            continue;
        }
        let (document_id, generation) = (base.document_id, base.generation);
        let key = BatchKey { collection_id: work.collection_id, document_id, generation, batch };
        let base_chunks = match state.artifacts.read_chunks(key).await {
            Ok(chunks) => chunks,
            Err(ArtifactError::NotFound { .. }) => {
                end = batch;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if base_chunks.len() < ArtifactKey::CHUNKS_PER_BATCH {
            end = batch + 1;
        }
        let same = wanted.take(&base_chunks);
        if same.is_empty() {
            continue;
        }
        match state.artifacts.read_vectors(key).await {
            Ok(staged) if staged.origin == origin && staged.vectors.len() == base_chunks.len() => {
                for (place, row) in same {
                    known[place] = Some(staged.vectors[row].clone());
                }
            }
            // Computed by another model, or never embedded.
            Ok(_) | Err(ArtifactError::NotFound { .. }) => {}
            Err(error @ ArtifactError::Malformed { .. }) => {
                tracing::warn!(
                    error = lambda::error_chain(&error),
                    "unreadable staged vectors; computing them again"
                );
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(known)
}

/// Returns the batch itself, then those around it, nearest first.
fn nearby_batches(batch: u32) -> impl Iterator<Item = u32> {
    let around =
        (1..=REACH).flat_map(move |distance| [batch.checked_sub(distance), batch.checked_add(distance)]);
    std::iter::once(Some(batch)).chain(around).flatten()
}

/// Texts without a vector, with their positions in the batch.
struct Wanted<'c>(HashMap<&'c str, Vec<usize>>);

impl<'c> Wanted<'c> {
    fn of(chunks: &'c [ChunkRecord]) -> Self {
        let mut places: HashMap<&str, Vec<usize>> = HashMap::with_capacity(chunks.len());
        for (place, chunk) in chunks.iter().enumerate() {
            places.entry(&chunk.text).or_default().push(place);
        }
        Self(places)
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns pairs of (position in the batch, position in `theirs`) with the same text, and removes
    /// those texts.
    fn take(&mut self, theirs: &[ChunkRecord]) -> Vec<(usize, usize)> {
        let mut same = Vec::new();
        for (row, chunk) in theirs.iter().enumerate() {
            if let Some(places) = self.0.remove(chunk.text.as_str()) {
                same.extend(places.into_iter().map(|place| (place, row)));
            }
        }
        same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(texts: &[&str]) -> Vec<ChunkRecord> {
        let chunk = |(index, text): (usize, &&str)| ChunkRecord {
            index: u32::try_from(index).unwrap(),
            text: (*text).to_owned(),
            start_offset: 0,
            end_offset: 1,
            token_count: 3,
            parent: None,
        };
        texts.iter().enumerate().map(chunk).collect()
    }

    #[test]
    fn equal_texts_are_matched_once_at_any_position() {
        let ours = chunks(&["a", "new", "b", "a"]);
        let mut wanted = Wanted::of(&ours);
        let mut same = wanted.take(&chunks(&["b", "a", "a", "old"]));
        same.sort_unstable();
        assert_eq!(same, [(0, 1), (2, 0), (3, 1)]);
        assert_eq!(wanted.take(&chunks(&["a", "b"])), []);
        assert!(!wanted.is_empty());
        assert_eq!(wanted.take(&chunks(&["new"])), [(1, 0)]);
        assert!(wanted.is_empty());
    }

    #[test]
    fn nearby_batches_start_with_the_batch_itself_and_stay_in_reach() {
        assert_eq!(nearby_batches(0).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(nearby_batches(6).collect::<Vec<_>>(), [6, 5, 7, 4, 8, 3, 9, 2, 10]);
    }
}
