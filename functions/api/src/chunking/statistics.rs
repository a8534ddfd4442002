//! Chunks and their statistics in a preview.

use domain::{ChunkParent, ChunkRecord};
use serde::Serialize;
use utoipa::ToSchema;

/// A chunk that indexing would produce.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewChunk {
    /// Its position in the document, from 0.
    index: u32,
    /// Text of the chunk.
    content: String,
    /// Where it starts in the document's text, in bytes of UTF-8.
    start_offset: u64,
    /// Where it ends, exclusive.
    end_offset: u64,
    /// Tokens that the model reads, special tokens included.
    token_count: u32,
    /// Number of characters.
    char_count: usize,
    /// The parent that it is a part of, if the strategy has parents.
    parent: Option<PreviewParent>,
    /// The headings that the chunk is under, outermost first.
    section_path: Vec<String>,
    /// What is put before the text when it is embedded and indexed; null without `contextualize`.
    context: Option<String>,
}

/// A parent of chunks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewParent {
    /// Its position among the document's parents, from 0.
    index: u32,
    /// Offset of the first byte in the text.
    start_offset: u64,
    /// Offset after the last byte in the text.
    end_offset: u64,
    /// Number of tokens.
    token_count: u32,
    /// The index of its first chunk.
    first_chunk: u32,
    /// Number of chunks within the parent.
    chunk_count: u32,
}

/// Statistics of chunks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChunkStatistics {
    /// Number of chunks.
    pub(crate) total_chunks: usize,
    /// Tokens of all chunks; overlap counts twice.
    total_tokens: u64,
    /// Size of the smallest chunk in tokens.
    smallest_chunk_tokens: u32,
    /// Median chunk size in tokens.
    median_chunk_tokens: u32,
    /// Mean chunk size in tokens.
    average_chunk_tokens: f64,
    /// Size of the largest chunk in tokens.
    largest_chunk_tokens: u32,
    /// Bytes of text that are in two chunks.
    repeated_bytes: u64,
    /// The number of parents.
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
            section_path: chunk.place.section_path.clone(),
            context: chunk.context.clone(),
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

/// Collects the statistics of chunks.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    sizes: Vec<u32>,
    total_tokens: u64,
    repeated_bytes: u64,
    last_end: u64,
    parents: u32,
}

impl Tally {
    pub(crate) fn add(&mut self, chunk: &ChunkRecord) {
        self.sizes.push(chunk.token_count);
        self.total_tokens += u64::from(chunk.token_count);
        self.repeated_bytes += self.last_end.saturating_sub(chunk.start_offset);
        self.last_end = chunk.end_offset;
        self.parents = chunk.parent.map_or(0, |parent| parent.index + 1);
    }

    pub(crate) fn finish(mut self) -> ChunkStatistics {
        self.sizes.sort_unstable();
        let sizes = &self.sizes;
        #[expect(clippy::cast_precision_loss, reason = "no previewed text has that many tokens")]
        let average = if sizes.is_empty() { 0.0 } else { self.total_tokens as f64 / sizes.len() as f64 };
        ChunkStatistics {
            total_chunks: sizes.len(),
            total_tokens: self.total_tokens,
            smallest_chunk_tokens: sizes.first().copied().unwrap_or_default(),
            median_chunk_tokens: sizes.get(sizes.len() / 2).copied().unwrap_or_default(),
            average_chunk_tokens: average,
            largest_chunk_tokens: sizes.last().copied().unwrap_or_default(),
            repeated_bytes: self.repeated_bytes,
            total_parents: self.parents,
        }
    }
}
