//! Chunks as trials show them.

use domain::{ChunkParent, ChunkRecord};
use serde::Serialize;
use utoipa::ToSchema;

/// A chunk that indexing would make.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewChunk {
    /// Its position in the document, from 0.
    index: u32,
    content: String,
    /// Where it starts in the document's text, in bytes of UTF-8.
    start_offset: u64,
    /// Where it ends, exclusive.
    end_offset: u64,
    /// What the model reads of it, special tokens included.
    token_count: u32,
    char_count: usize,
    /// The passage that it was cut out of, where the strategy makes such.
    parent: Option<PreviewParent>,
}

/// A passage that chunks are cut out of.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewParent {
    /// Its position among the document's parents, from 0.
    index: u32,
    start_offset: u64,
    end_offset: u64,
    token_count: u32,
    /// The index of its first chunk.
    first_chunk: u32,
    chunk_count: u32,
}

/// Chunks in numbers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChunkStatistics {
    total_chunks: usize,
    /// Of all chunks together; what is in two chunks counts twice.
    total_tokens: u64,
    smallest_chunk_tokens: u32,
    median_chunk_tokens: u32,
    average_chunk_tokens: f64,
    largest_chunk_tokens: u32,
    /// Bytes of text that a chunk repeats of the one before it.
    repeated_bytes: u64,
    /// Passages that chunks are cut out of.
    total_parents: u32,
}

impl From<&ChunkRecord> for PreviewChunk {
    fn from(chunk: &ChunkRecord) -> Self {
        Self {
            index: chunk.index,
            content: chunk.text.clone(),
            start_offset: chunk.start_offset,
            end_offset: chunk.end_offset,
            token_count: chunk.token_count,
            char_count: chunk.text.chars().count(),
            parent: chunk.parent.map(PreviewParent::from),
        }
    }
}

impl From<ChunkParent> for PreviewParent {
    fn from(parent: ChunkParent) -> Self {
        Self {
            index: parent.index,
            start_offset: parent.start_offset,
            end_offset: parent.end_offset,
            token_count: parent.token_count,
            first_chunk: parent.first_chunk,
            chunk_count: parent.chunk_count,
        }
    }
}

impl ChunkStatistics {
    pub(crate) fn of(chunks: &[ChunkRecord]) -> Self {
        let mut sizes: Vec<u32> = chunks.iter().map(|chunk| chunk.token_count).collect();
        sizes.sort_unstable();
        let total_tokens = sizes.iter().map(|size| u64::from(*size)).sum::<u64>();
        let repeated = chunks.windows(2).map(|pair| pair[0].end_offset.saturating_sub(pair[1].start_offset));
        let parents = chunks.last().and_then(|chunk| chunk.parent).map_or(0, |parent| parent.index + 1);
        // No text has so many tokens that a float would lose count.
        #[expect(clippy::cast_precision_loss, reason = "an average of small numbers")]
        let average = if sizes.is_empty() { 0.0 } else { total_tokens as f64 / sizes.len() as f64 };
        Self {
            total_chunks: chunks.len(),
            total_tokens,
            smallest_chunk_tokens: sizes.first().copied().unwrap_or_default(),
            median_chunk_tokens: sizes.get(sizes.len() / 2).copied().unwrap_or_default(),
            average_chunk_tokens: average,
            largest_chunk_tokens: sizes.last().copied().unwrap_or_default(),
            repeated_bytes: repeated.sum(),
            total_parents: parents,
        }
    }
}

/// The first of some chunks.
pub(crate) fn show(chunks: &[ChunkRecord], most: usize) -> Vec<PreviewChunk> {
    chunks.iter().take(most).map(PreviewChunk::from).collect()
}
