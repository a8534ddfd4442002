//! The context of results: neighbouring chunks and parent chunks.

use std::collections::HashMap;

use domain::{ChunkParent, point_id};
use futures_util::future::join_all;
use uuid::Uuid;
use vectors::{ChunkPayload, StoredChunk};

use crate::State;
use crate::collapse::Passage;
use crate::response::{Neighbour, ParentChunk};
use crate::results::Ranking;
use crate::search_query::Surroundings;

/// The maximum number of chunks of a parent whose text is returned. Only parents with chunks of a few words
/// have more.
const MAX_SIBLINGS: u32 = 256;

/// Reads the chunks around each passage, by id, with one request per collection. A failed request adds a
/// warning.
pub(crate) async fn find_neighbours(
    state: &State,
    passages: &Ranking<'_>,
    surroundings: Surroundings,
    warnings: &mut Vec<String>,
) -> HashMap<Uuid, StoredChunk> {
    let mut wanted: HashMap<&str, (&str, Vec<Uuid>)> = HashMap::new();
    for (_, Passage { hit, .. }) in passages {
        let collection = hit.collection;
        let (_, ids) = wanted
            .entry(collection.vector_store_name.as_str())
            .or_insert_with(|| (collection.name.as_str(), Vec::new()));
        let indexes = indexes(surroundings, &hit.chunk.payload);
        ids.extend(indexes.map(|index| id_of(&hit.chunk.payload, index)));
    }
    let requests = wanted.into_iter().map(|(store, (name, mut ids))| async move {
        ids.sort_unstable();
        ids.dedup();
        (name, state.vectors.find_chunks(store, &ids).await)
    });
    let mut neighbours = HashMap::new();
    for (name, found) in join_all(requests).await {
        match found {
            Ok(chunks) => neighbours.extend(chunks.into_iter().map(|chunk| (chunk.id, chunk))),
            Err(error) => {
                tracing::error!(error = lambda::error_chain(&error), "reading neighbouring chunks failed");
                warnings.push(format!("the chunks around the results in {name:?} could not be read"));
            }
        }
    }
    neighbours
}

/// Returns the neighbours of a chunk in document order, without the text that they share with each other or
/// with the chunk.
pub(crate) fn neighbours_of(
    own: &ChunkPayload,
    reach: u32,
    found: &HashMap<Uuid, StoredChunk>,
) -> Vec<Neighbour> {
    let mut neighbours = Vec::new();
    let mut last_end = 0;
    for index in around(own, reach) {
        let Some(chunk) = found.get(&id_of(own, index)) else {
            continue;
        };
        let (start, end) = (chunk.payload.metadata.start_offset, chunk.payload.metadata.end_offset);
        let is_before = index < own_index(own);
        let from = if is_before { last_end } else { last_end.max(own.metadata.end_offset) };
        let until = if is_before { end.min(own.metadata.start_offset) } else { end };
        last_end = last_end.max(until);
        neighbours.push(Neighbour {
            chunk_id: chunk.id,
            chunk_index: index,
            text: slice(&chunk.payload.content, start, from, until),
        });
    }
    neighbours
}

/// Returns the parent of a chunk, if it has one. Its text is joined from its chunks: white space that is in
/// none of them becomes a space or an empty line.
pub(crate) fn parent_of(own: &ChunkPayload, found: &HashMap<Uuid, StoredChunk>) -> Option<ParentChunk> {
    let parent = own.metadata.parent?;
    let mut text = (parent.chunk_count <= MAX_SIBLINGS).then(String::new);
    let mut last_end = parent.start_offset;
    for index in siblings(&parent) {
        let (Some(whole), Some(chunk)) = (&mut text, found.get(&id_of(own, index))) else {
            text = None;
            break;
        };
        let (start, end) = (chunk.payload.metadata.start_offset, chunk.payload.metadata.end_offset);
        match start.saturating_sub(last_end) {
            0 => {}
            1 => whole.push(' '),
            _ => whole.push_str("\n\n"),
        }
        whole.push_str(&slice(&chunk.payload.content, start, last_end, end));
        last_end = last_end.max(end);
    }
    Some(ParentChunk {
        parent_index: parent.index,
        start_offset: parent.start_offset,
        end_offset: parent.end_offset,
        token_count: parent.token_count,
        first_chunk: parent.first_chunk,
        chunk_count: parent.chunk_count,
        text,
    })
}

/// The indexes of the chunks to read.
fn indexes(surroundings: Surroundings, chunk: &ChunkPayload) -> impl Iterator<Item = u32> {
    let parent = chunk.metadata.parent.filter(|_| surroundings.parent);
    around(chunk, surroundings.reach).chain(parent.into_iter().flat_map(|parent| siblings(&parent)))
}

fn siblings(parent: &ChunkParent) -> std::ops::Range<u32> {
    parent.first_chunk..parent.first_chunk.saturating_add(parent.chunk_count.min(MAX_SIBLINGS))
}

/// The indexes around a chunk, without its own.
fn around(chunk: &ChunkPayload, reach: u32) -> impl Iterator<Item = u32> {
    let own = own_index(chunk);
    (own.saturating_sub(reach)..=own.saturating_add(reach)).filter(move |index| *index != own)
}

fn own_index(chunk: &ChunkPayload) -> u32 {
    u32::try_from(chunk.chunk_index).unwrap_or_default()
}

fn id_of(chunk: &ChunkPayload, index: u32) -> Uuid {
    point_id(chunk.document_id, chunk.generation, index)
}

/// Returns the part of `content`, which starts at offset `start` of its document, between two offsets of
/// the document.
fn slice(content: &str, start: u64, from: u64, until: u64) -> String {
    let position = |offset: u64| usize::try_from(offset.saturating_sub(start)).unwrap_or(usize::MAX);
    let (from, until) = (position(from).min(content.len()), position(until).min(content.len()));
    content.get(from..until.max(from)).unwrap_or(content).to_owned()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use domain::{ChunkPlace, CollectionId, DocumentId, Generation};
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
                place: ChunkPlace::default(),
            },
        };
        StoredChunk { id: id_of(&payload, u32::try_from(index).unwrap()), payload }
    }

    #[test]
    fn a_chunk_and_its_neighbours_do_not_repeat_text() {
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
    fn a_parent_is_joined_from_its_chunks() {
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
        let joined = parent_of(&chunks[1].payload, &found).unwrap();
        assert_eq!((joined.parent_index, joined.text.as_deref()), (3, Some("two three four five")));
        assert_eq!(parent_of(&chunks[1].payload, &by_id(&chunks[..2])).unwrap().text, None);
        let wanted = Surroundings { reach: 0, parent: true };
        assert_eq!(indexes(wanted, &chunks[1].payload).collect::<Vec<_>>(), [1, 2, 3]);
        chunks[1].payload.metadata.parent = None;
        assert_eq!(parent_of(&chunks[1].payload, &found), None);
    }
}
