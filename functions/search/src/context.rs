//! The passages around results.

use std::collections::HashMap;

use domain::{ChunkParent, point_id};
use futures_util::future::join_all;
use uuid::Uuid;
use vectors::{ChunkPayload, StoredChunk};

use crate::State;
use crate::response::{Neighbour, ParentPassage};
use crate::retrieve::Hit;

/// More than the largest parent has chunks, unless they are of a few words.
const MAX_SIBLINGS: u32 = 256;

/// What is wanted around each hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Surroundings {
    /// Chunks on each side.
    pub(crate) reach: u32,
    /// The passage that it was cut out of.
    pub(crate) parent: bool,
}

impl Surroundings {
    pub(crate) fn is_any(self) -> bool {
        self.reach > 0 || self.parent
    }

    fn indexes(self, passage: &ChunkPayload) -> impl Iterator<Item = u32> {
        let siblings = passage.metadata.parent.filter(|_| self.parent).map(|parent| siblings(&parent));
        around(passage, self.reach).chain(siblings.into_iter().flatten())
    }
}

/// The chunks around each hit, by their ids. One call for each collection; one that does not answer
/// has none, which `warnings` says.
pub(crate) async fn find_neighbours(
    state: &State,
    hits: &[(f32, Hit<'_>)],
    wanted_around: Surroundings,
    warnings: &mut Vec<String>,
) -> HashMap<Uuid, StoredChunk> {
    let mut wanted: HashMap<&str, (&str, Vec<Uuid>)> = HashMap::new();
    for (_, hit) in hits {
        let collection = hit.collection;
        let (_, ids) = wanted
            .entry(collection.vector_store_name.as_str())
            .or_insert_with(|| (collection.name.as_str(), Vec::new()));
        let indexes = wanted_around.indexes(&hit.chunk.payload);
        ids.extend(indexes.map(|index| id_of(&hit.chunk.payload, index)));
    }
    let asked = wanted.into_iter().map(|(store, (name, mut ids))| async move {
        ids.sort_unstable();
        ids.dedup();
        (name, state.vectors.find_chunks(store, &ids).await)
    });
    let mut neighbours = HashMap::new();
    for (name, found) in join_all(asked).await {
        match found {
            Ok(chunks) => neighbours.extend(chunks.into_iter().map(|chunk| (chunk.id, chunk))),
            Err(error) => {
                tracing::error!(error = lambda::error_chain(&error), "neighbours could not be read");
                warnings.push(format!("the passages around the results in {name:?} could not be read"));
            }
        }
    }
    neighbours
}

/// Those of `found` that are around `passage`, in their order, each without what another has.
pub(crate) fn neighbours_of(
    passage: &ChunkPayload,
    reach: u32,
    found: &HashMap<Uuid, StoredChunk>,
) -> Vec<Neighbour> {
    let mut neighbours = Vec::new();
    let mut last_end = 0;
    for index in around(passage, reach) {
        let Some(chunk) = found.get(&id_of(passage, index)) else {
            continue;
        };
        let (start, end) = (chunk.payload.metadata.start_offset, chunk.payload.metadata.end_offset);
        let is_before = index < own_index(passage);
        let from = if is_before { last_end } else { last_end.max(passage.metadata.end_offset) };
        let until = if is_before { end.min(passage.metadata.start_offset) } else { end };
        last_end = last_end.max(until);
        neighbours.push(Neighbour {
            chunk_id: chunk.id,
            chunk_index: index,
            text: cut(&chunk.payload.content, start, from, until),
        });
    }
    neighbours
}

/// The passage that a hit was cut out of, if it was cut out of one. Put together from its chunks: white
/// space that none of them has is a space or an empty line.
pub(crate) fn parent_of(passage: &ChunkPayload, found: &HashMap<Uuid, StoredChunk>) -> Option<ParentPassage> {
    let parent = passage.metadata.parent?;
    let mut text = (parent.chunk_count <= MAX_SIBLINGS).then(String::new);
    let mut last_end = parent.start_offset;
    for index in siblings(&parent) {
        let (Some(whole), Some(chunk)) = (&mut text, found.get(&id_of(passage, index))) else {
            text = None;
            break;
        };
        let (start, end) = (chunk.payload.metadata.start_offset, chunk.payload.metadata.end_offset);
        match start.saturating_sub(last_end) {
            0 => {}
            1 => whole.push(' '),
            _ => whole.push_str("\n\n"),
        }
        whole.push_str(&cut(&chunk.payload.content, start, last_end, end));
        last_end = last_end.max(end);
    }
    Some(ParentPassage {
        parent_index: parent.index,
        start_offset: parent.start_offset,
        end_offset: parent.end_offset,
        token_count: parent.token_count,
        first_chunk: parent.first_chunk,
        chunk_count: parent.chunk_count,
        text,
    })
}

fn siblings(parent: &ChunkParent) -> std::ops::Range<u32> {
    parent.first_chunk..parent.first_chunk.saturating_add(parent.chunk_count.min(MAX_SIBLINGS))
}

/// The positions around a passage, its own left out.
fn around(passage: &ChunkPayload, reach: u32) -> impl Iterator<Item = u32> {
    let own = own_index(passage);
    (own.saturating_sub(reach)..=own.saturating_add(reach)).filter(move |index| *index != own)
}

fn own_index(passage: &ChunkPayload) -> u32 {
    u32::try_from(passage.chunk_index).unwrap_or_default()
}

fn id_of(passage: &ChunkPayload, index: u32) -> Uuid {
    point_id(passage.document_id, passage.generation, index)
}

/// The part of `content`, which starts at `start` of its document, between two of the document's places.
fn cut(content: &str, start: u64, from: u64, until: u64) -> String {
    let place = |offset: u64| usize::try_from(offset.saturating_sub(start)).unwrap_or(usize::MAX);
    let (from, until) = (place(from).min(content.len()), place(until).min(content.len()));
    content.get(from..until.max(from)).unwrap_or(content).to_owned()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use domain::{CollectionId, DocumentId, Generation};
    use vectors::ChunkMetadata;

    use super::*;

    const TEXT: &str = "one two three four five six";

    fn chunk(index: i32, start: usize, end: usize) -> StoredChunk {
        let payload = ChunkPayload {
            document_id: DocumentId(Uuid::nil()),
            collection_id: CollectionId(Uuid::nil()),
            source_id: 0,
            generation: Generation(1),
            chunk_index: index,
            content: TEXT[start..end].to_owned(),
            path_prefixes: Vec::new(),
            attributes: Vec::new(),
            metadata: ChunkMetadata {
                source_path: "upload://a".to_owned(),
                file_name: "a".to_owned(),
                mime_type: "text/plain".to_owned(),
                created_at: DateTime::UNIX_EPOCH,
                start_offset: start as u64,
                end_offset: end as u64,
                parent: None,
            },
        };
        StoredChunk { id: id_of(&payload, u32::try_from(index).unwrap()), payload }
    }

    #[test]
    fn passages_and_their_neighbours_read_on_without_repeating_anything() {
        let chunks = [chunk(0, 0, 13), chunk(1, 8, 18), chunk(2, 14, 23), chunk(3, 19, 27)];
        let found: HashMap<Uuid, StoredChunk> =
            chunks.iter().map(|chunk| (chunk.id, chunk.clone())).collect();
        for (own, reach, expected) in [
            (2, 2, vec!["one two three", " ", " six"]),
            (0, 1, vec![" four"]),
            (1, 9, vec!["one two ", " five", " six"]),
        ] {
            let neighbours = neighbours_of(&chunks[own].payload, reach, &found);
            let texts: Vec<&str> = neighbours.iter().map(|neighbour| neighbour.text.as_str()).collect();
            assert_eq!(texts, expected, "around {own}");
        }
    }

    #[test]
    fn a_parent_is_put_together_from_its_chunks() {
        let parent = ChunkParent {
            index: 3,
            start_offset: 4,
            end_offset: 23,
            token_count: 7,
            first_chunk: 1,
            chunk_count: 3,
        };
        let chunks = [chunk(1, 4, 13), chunk(2, 8, 13), chunk(3, 14, 23)];
        let mut chunks = chunks.map(|mut chunk| {
            chunk.payload.metadata.parent = Some(parent);
            chunk
        });
        let by_id = |chunks: &[StoredChunk]| chunks.iter().map(|chunk| (chunk.id, chunk.clone())).collect();
        let found: HashMap<Uuid, StoredChunk> = by_id(&chunks);
        let passage = parent_of(&chunks[1].payload, &found).unwrap();
        assert_eq!((passage.parent_index, passage.text.as_deref()), (3, Some("two three four five")));
        assert_eq!(parent_of(&chunks[1].payload, &by_id(&chunks[..2])).unwrap().text, None);
        let wanted = Surroundings { reach: 0, parent: true };
        assert_eq!(wanted.indexes(&chunks[1].payload).collect::<Vec<_>>(), [1, 2, 3]);
        chunks[1].payload.metadata.parent = None;
        assert_eq!(parent_of(&chunks[1].payload, &found), None);
    }
}
