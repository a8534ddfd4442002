//! Trying out how texts would be cut, without indexing anything.

pub(crate) mod compare;
pub(crate) mod preview;
pub(crate) mod settings;
pub(crate) mod statistics;
pub(crate) mod strategies;

use std::time::Instant;

use chunking::{ChunkingError, Strategy};
use domain::{ChunkRecord, Classify, ErrorKind};
use lambda::http::{ApiError, FieldError};
use segmentation::{DocumentChunker, DocumentSettings, ModelTokens, SegmentationError};

use self::settings::Checked;
use self::statistics::{ChunkStatistics, PreviewChunk, Tally};
use crate::State;

/// The longest text that is cut while somebody waits.
const MAX_CONTENT_BYTES: usize = 1024 * 1024;

/// So much is cut at a time, so that few of the chunks are there at once.
const PIECE_BYTES: usize = 16 * 1024;

/// A text that was cut, and how long that took.
pub(crate) struct CutText {
    pub(crate) first_chunks: Vec<PreviewChunk>,
    pub(crate) statistics: ChunkStatistics,
    pub(crate) milliseconds: f64,
}

/// Refuses a text that is too long to wait for.
pub(crate) fn check_size(content: &str) -> Result<(), ApiError> {
    if content.len() <= MAX_CONTENT_BYTES {
        return Ok(());
    }
    let message = format!(
        "content has {} bytes; {MAX_CONTENT_BYTES} are the most that is cut at once, upload longer documents",
        content.len()
    );
    Err(ApiError::new(ErrorKind::TooLarge, message))
}

/// Cuts a text as indexing a file with it would, once for each strategy; keeps `most` chunks of each.
pub(crate) async fn cut_all(
    state: &State,
    content: String,
    file_name: Option<String>,
    checked: &Checked,
    strategies: &[Strategy],
    most: usize,
) -> Result<Vec<CutText>, ApiError> {
    let file_name = file_name.unwrap_or_default();
    let (cache, model) = (state.tokens_by_model.clone(), checked.model.clone());
    let (chunks, strategies) = (checked.chunks, strategies.to_vec());
    // The processor's work, and the tokenizer's file: others are answered meanwhile.
    let work = tokio::task::spawn_blocking(move || {
        let cut = |strategy: &Strategy| {
            let tokens = cache.get_or_open(&model, *strategy)?;
            let settings = DocumentSettings::new(&file_name, None, *strategy, chunks, &model.manifest);
            cut(&tokens, settings, &content, most)
        };
        strategies.iter().map(cut).collect::<Result<Vec<_>, SegmentationError>>()
    });
    work.await.map_err(|panic| ApiError::internal(&panic))?.map_err(refuse)
}

fn cut(
    tokens: &ModelTokens,
    settings: DocumentSettings,
    content: &str,
    most: usize,
) -> Result<CutText, SegmentationError> {
    let started = Instant::now();
    let (mut first_chunks, mut tally) = (Vec::new(), Tally::default());
    let mut take_in = |batches: Vec<Vec<ChunkRecord>>| {
        for chunk in batches.iter().flatten() {
            tally.add(chunk);
            if first_chunks.len() < most {
                first_chunks.push(PreviewChunk::from(chunk));
            }
        }
    };
    let mut document = DocumentChunker::new(tokens, settings);
    for piece in content.as_bytes().chunks(PIECE_BYTES) {
        take_in(document.push(piece)?);
    }
    // What holds no text has no chunks, as it would be skipped.
    let (last, _) = document.finish()?;
    take_in(last);
    let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
    Ok(CutText { first_chunks, statistics: tally.finish(), milliseconds })
}

/// What is wrong with a text or its settings is its sender's business.
fn refuse(error: SegmentationError) -> ApiError {
    let field = match &error {
        SegmentationError::Extraction(_) => "content",
        SegmentationError::Chunking(ChunkingError::NoRoom { .. }) => "chunk_size",
        _ => return error.into(),
    };
    if error.kind() != ErrorKind::Invalid {
        return error.into();
    }
    ApiError::invalid_fields(vec![FieldError { field: field.to_owned(), message: error.to_string() }])
}
