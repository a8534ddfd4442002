//! The chunking preview: shows how text would be chunked, without indexing it.

use std::time::Instant;

use chunking::{ChunkingError, Strategy};
use domain::{ChunkRecord, Classify, ErrorKind};
use lambda::http::ApiError;
use segmentation::{DocumentChunker, DocumentSettings, ModelTokens, SegmentationError};

use super::settings::Checked;
use super::statistics::{ChunkStatistics, PreviewChunk, Tally};
use crate::State;

/// The longest text that is chunked within a request.
const MAX_CONTENT_BYTES: usize = 1024 * 1024;

/// Bytes that are chunked at a time, so that few chunks are in memory at once.
const PIECE_BYTES: usize = 16 * 1024;

/// A text to chunk as a file of this name would be.
pub(crate) struct Text {
    pub(crate) content: String,
    pub(crate) file_name: String,
    pub(crate) contextualize: bool,
}

/// The chunks of a text, and how long chunking took.
pub(crate) struct ChunkedText {
    pub(crate) first_chunks: Vec<PreviewChunk>,
    pub(crate) statistics: ChunkStatistics,
    pub(crate) milliseconds: f64,
}

/// Refuses a text that is too long to chunk within a request.
///
/// # Errors
/// Returns 413 with the limit.
pub(crate) fn check_size(content: &str) -> Result<(), ApiError> {
    if content.len() <= MAX_CONTENT_BYTES {
        return Ok(());
    }
    let message = format!(
        "content: too long; at most {MAX_CONTENT_BYTES} bytes allowed, got {}; upload longer documents",
        content.len()
    );
    Err(ApiError::new(ErrorKind::TooLarge, message))
}

/// Chunks a text as indexing a file with it would, once for each strategy, and keeps the first
/// `max_chunks` chunks of each.
///
/// # Errors
/// Returns 422 if the text or the settings cannot be used.
pub(crate) async fn chunk_all(
    state: &State,
    text: Text,
    checked: &Checked,
    strategies: &[Strategy],
    max_chunks: usize,
) -> Result<Vec<ChunkedText>, ApiError> {
    let Text { content, file_name, contextualize } = text;
    let (cache, model) = (state.tokens_by_model.clone(), checked.model.clone());
    let (chunks, strategies) = (checked.chunks, strategies.to_vec());
    // Work for the processor, and a file to read: other requests must not wait for it.
    let work = tokio::task::spawn_blocking(move || {
        let chunk = |strategy: &Strategy| {
            let tokens = cache.get_or_open(&model, *strategy)?;
            let settings =
                DocumentSettings::new(&file_name, None, *strategy, chunks, contextualize, &model.manifest);
            chunk_text(&tokens, settings, &content, max_chunks)
        };
        strategies.iter().map(chunk).collect::<Result<Vec<_>, SegmentationError>>()
    });
    work.await.map_err(|panic| ApiError::internal(&panic))?.map_err(refuse)
}

fn chunk_text(
    tokens: &ModelTokens,
    settings: DocumentSettings,
    content: &str,
    max_chunks: usize,
) -> Result<ChunkedText, SegmentationError> {
    let started = Instant::now();
    let (mut first_chunks, mut tally) = (Vec::new(), Tally::default());
    let mut count = |batches: Vec<Vec<ChunkRecord>>| {
        for chunk in batches.iter().flatten() {
            tally.add(chunk);
            if first_chunks.len() < max_chunks {
                first_chunks.push(PreviewChunk::from(chunk));
            }
        }
    };
    let mut document = DocumentChunker::new(tokens, settings);
    for piece in content.as_bytes().chunks(PIECE_BYTES) {
        count(document.push(piece)?);
    }
    // A document without text has no chunks; indexing would skip it.
    let (last, _) = document.finish()?;
    count(last);
    let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
    Ok(ChunkedText { first_chunks, statistics: tally.finish(), milliseconds })
}

/// Turns an error that the sender can fix into a field error.
fn refuse(error: SegmentationError) -> ApiError {
    let field = match &error {
        SegmentationError::Extraction(_) => "content",
        SegmentationError::Chunking(ChunkingError::NoRoomForText { .. }) => "chunk_size",
        _ => return error.into(),
    };
    if error.kind() != ErrorKind::Invalid {
        return error.into();
    }
    ApiError::invalid_field(field, error.to_string())
}
