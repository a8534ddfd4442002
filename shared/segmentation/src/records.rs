//! Chunks as records, in batches.

use chunking::Chunk;
use domain::{ArtifactKey, ChunkRecord};

pub(crate) fn append(records: &mut Vec<ChunkRecord>, chunks: Vec<Chunk>) {
    records.extend(chunks.into_iter().map(|chunk| ChunkRecord {
        index: chunk.index,
        text: chunk.text,
        start_offset: chunk.start_offset,
        end_offset: chunk.end_offset,
        token_count: chunk.token_count,
        parent: chunk.parent,
    }));
}

pub(crate) fn drain_full_batches(pending: &mut Vec<ChunkRecord>) -> Vec<Vec<ChunkRecord>> {
    let mut batches = Vec::new();
    while pending.len() >= ArtifactKey::CHUNKS_PER_BATCH {
        let rest = pending.split_off(ArtifactKey::CHUNKS_PER_BATCH);
        batches.push(std::mem::replace(pending, rest));
    }
    batches
}
