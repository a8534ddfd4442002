//! Chunks as records, in batches.

use chunking::{Chunk, ChunkingError};
use domain::{ArtifactKey, ChunkRecord};

use crate::context::Contexts;

/// Makes the records of a document's chunks.
#[derive(Debug)]
pub(crate) struct Records<'t> {
    /// Makes contexts, if the collection wants them.
    pub(crate) contexts: Option<Contexts<'t>>,
}

impl Records<'_> {
    pub(crate) fn append(
        &mut self,
        chunks: Vec<Chunk>,
        records: &mut Vec<ChunkRecord>,
    ) -> Result<(), ChunkingError> {
        for chunk in chunks {
            let context = self.contexts.as_mut().map(|contexts| contexts.of(&chunk)).transpose()?;
            records.push(ChunkRecord {
                index: chunk.index,
                text: chunk.text,
                start_offset: chunk.start_offset,
                end_offset: chunk.end_offset,
                token_count: chunk.token_count,
                parent: chunk.parent,
                place: chunk.place,
                context,
            });
        }
        Ok(())
    }
}

pub(crate) fn drain_full_batches(pending: &mut Vec<ChunkRecord>) -> Vec<Vec<ChunkRecord>> {
    let mut batches = Vec::new();
    while pending.len() >= ArtifactKey::CHUNKS_PER_BATCH {
        let rest = pending.split_off(ArtifactKey::CHUNKS_PER_BATCH);
        batches.push(std::mem::replace(pending, rest));
    }
    batches
}
