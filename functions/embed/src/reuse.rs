//! Reuses the vectors of chunks whose text an earlier generation of the document contains, or another
//! document with the same bytes: a change costs only the chunks that changed, a restored document or a copy
//! costs nothing.

use std::borrow::Cow;
use std::collections::HashMap;

use artifacts::{ArtifactError, BatchKey, codec};
use db::operations::{ArtifactRef, ItemWork};
use domain::{ArtifactKey, ChunkRecord};
use lambda::StageError;

use crate::State;

/// How many batches before and after its own position a batch's chunks are searched for: inserted or
/// deleted text shifts what follows. Farther away, embedding costs less than searching.
const REACH: u32 = 4;

/// Returns a vector for each of the batch's chunks that the original or the item's base generation contains,
/// `None` for the others. Staged vectors that are unreadable, not there yet or deleted are computed again.
pub(crate) async fn find_reusable_vectors(
    state: &State,
    work: &ItemWork,
    batch: u32,
    chunks: &[ChunkRecord],
) -> Result<Vec<Option<Vec<f32>>>, StageError> {
    let mut known = vec![None; chunks.len()];
    for version in reusable_versions(work) {
        let mut wanted = Wanted::of(chunks, &known);
        take_from(state, work, version, batch, &mut wanted, &mut known).await?;
    }
    Ok(known)
}

/// Returns the versions whose staged vectors may be reused, those with the same bytes first.
fn reusable_versions(work: &ItemWork) -> impl Iterator<Item = ArtifactRef> {
    let original = work.original.map(|original| original.version);
    original.into_iter().chain(work.base.filter(|base| Some(*base) != original))
}

/// Adds the vectors of the wanted texts that the version has, and removes those texts.
async fn take_from(
    state: &State,
    work: &ItemWork,
    version: ArtifactRef,
    batch: u32,
    wanted: &mut Wanted<'_>,
    known: &mut [Option<Vec<f32>>],
) -> Result<(), StageError> {
    let origin = codec::vectors_origin(&work.settings);
    let mut end = u32::MAX;
    for batch in nearby_batches(batch) {
        if wanted.is_empty() {
            break;
        }
        if batch >= end {
            continue;
        }
        let ArtifactRef { document_id, generation } = version;
        let key = BatchKey { collection_id: work.collection_id, document_id, generation, batch };
        let staged_chunks = match state.artifacts.read_chunks(key).await {
            Ok(chunks) => chunks,
            Err(ArtifactError::NotFound { .. } | ArtifactError::Refused { .. }) => {
                end = batch;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if staged_chunks.len() < ArtifactKey::CHUNKS_PER_BATCH {
            end = batch + 1;
        }
        if !wanted.has_any_of(&staged_chunks) {
            continue;
        }
        match state.artifacts.read_vectors(key).await {
            Ok(staged) if staged.origin == origin && staged.vectors.len() == staged_chunks.len() => {
                for (place, row) in wanted.take(&staged_chunks) {
                    known[place] = Some(staged.vectors[row].clone());
                }
            }
            // Computed by another model, never embedded, or archived.
            Ok(_) | Err(ArtifactError::NotFound { .. } | ArtifactError::Refused { .. }) => {}
            Err(error @ ArtifactError::Malformed { .. }) => {
                tracing::warn!(
                    error = lambda::error_chain(&error),
                    "unreadable staged vectors; computing them again"
                );
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Returns the batch itself, then those around it, nearest first.
fn nearby_batches(batch: u32) -> impl Iterator<Item = u32> {
    let around =
        (1..=REACH).flat_map(move |distance| [batch.checked_sub(distance), batch.checked_add(distance)]);
    std::iter::once(Some(batch)).chain(around).flatten()
}

/// Texts without a vector, with their positions in the batch.
struct Wanted<'c>(HashMap<Cow<'c, str>, Vec<usize>>);

impl<'c> Wanted<'c> {
    fn of(chunks: &'c [ChunkRecord], known: &[Option<Vec<f32>>]) -> Self {
        let mut places: HashMap<Cow<'_, str>, Vec<usize>> = HashMap::with_capacity(chunks.len());
        for (place, chunk) in chunks.iter().enumerate().filter(|(place, _)| known[*place].is_none()) {
            places.entry(chunk.embedded_text()).or_default().push(place);
        }
        Self(places)
    }

    fn has_any_of(&self, theirs: &[ChunkRecord]) -> bool {
        theirs.iter().any(|chunk| self.0.contains_key(chunk.embedded_text().as_ref()))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns pairs of (position in the batch, position in `theirs`) with the same text, and removes
    /// those texts.
    fn take(&mut self, theirs: &[ChunkRecord]) -> Vec<(usize, usize)> {
        let mut same = Vec::new();
        for (row, chunk) in theirs.iter().enumerate() {
            if let Some(places) = self.0.remove(chunk.embedded_text().as_ref()) {
                same.extend(places.into_iter().map(|place| (place, row)));
            }
        }
        same
    }
}

#[cfg(test)]
mod tests {
    use domain::ChunkPlace;

    use super::*;

    fn chunks(texts: &[&str]) -> Vec<ChunkRecord> {
        let chunk = |(index, text): (usize, &&str)| ChunkRecord {
            index: u32::try_from(index).unwrap(),
            text: (*text).to_owned(),
            start_offset: 0,
            end_offset: 1,
            token_count: 3,
            parent: None,
            place: ChunkPlace::default(),
            context: None,
        };
        texts.iter().enumerate().map(chunk).collect()
    }

    #[test]
    fn equal_texts_are_matched_once_at_any_position() {
        let ours = chunks(&["a", "new", "b", "a"]);
        let mut wanted = Wanted::of(&ours, &vec![None; ours.len()]);
        assert!(wanted.has_any_of(&ours) && !wanted.has_any_of(&chunks(&["old"])));
        let mut same = wanted.take(&chunks(&["b", "a", "a", "old"]));
        same.sort_unstable();
        assert_eq!(same, [(0, 1), (2, 0), (3, 1)]);
        assert_eq!(wanted.take(&chunks(&["a", "b"])), []);
        assert!(!wanted.is_empty());
        assert_eq!(wanted.take(&chunks(&["new"])), [(1, 0)]);
        assert!(wanted.is_empty());
        let known = [None, None, Some(vec![1.0]), None];
        let mut wanted = Wanted::of(&ours, &known);
        assert_eq!(wanted.take(&chunks(&["b"])), [], "its vector is known");
    }

    #[test]
    fn nearby_batches_start_with_the_batch_itself_and_stay_in_reach() {
        assert_eq!(nearby_batches(0).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(nearby_batches(6).collect::<Vec<_>>(), [6, 5, 7, 4, 8, 3, 9, 2, 10]);
    }
}
