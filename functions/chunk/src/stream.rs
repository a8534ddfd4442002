//! Streams a document from S3 through the chunker and back to S3.
//!
//! Reading, chunking and writing run concurrently. The channels between them are short, so the slowest of
//! the three sets the pace and memory stays constant.

use artifacts::{ArtifactError, ArtifactReader, codec};
use bytes::Bytes;
use db::operations::StagedVersion;
use domain::{ArtifactKey, ChunkRecord, Classify, CollectionId, ErrorKind};
use frames::DocumentFormat;
use lambda::StageError;
use segmentation::{DocumentChunker, DocumentSettings, DocumentSummary, ModelTokens};
use tokio::sync::mpsc;

use crate::State;

/// The capacity of each channel, in buffers or batches.
const CHANNEL_CAPACITY: usize = 4;

/// What chunking a document has yielded.
#[derive(Debug)]
pub(crate) struct ChunkedDocument {
    pub(crate) summary: DocumentSummary,
    pub(crate) chunk_count: u32,
    pub(crate) batch_count: u32,
}

/// Chunks the staged bytes, or the text that was extracted from them, and stages the chunks. Returns `None` if the
/// document needs a parser and its text is not extracted yet.
///
/// # Errors
/// Returns the first error of reading, chunking and writing. Written batches stay: the next attempt
/// overwrites them with the same content.
pub(crate) async fn chunk_document(
    state: &State,
    collection_id: CollectionId,
    staged: StagedVersion,
    tokens: ModelTokens,
    settings: DocumentSettings,
) -> Result<Option<ChunkedDocument>, StageError> {
    let Some(input) = open(state, collection_id, staged, &settings).await? else {
        return Ok(None);
    };
    let Input { reader, is_parsed } = input;
    let (buffer_sender, buffers) = mpsc::channel(CHANNEL_CAPACITY);
    let (batch_sender, batches) = mpsc::channel::<Vec<ChunkRecord>>(CHANNEL_CAPACITY);
    let chunking = tokio::task::spawn_blocking(move || {
        chunk_buffers(&tokens, settings, is_parsed, buffers, &batch_sender)
    });
    // The chunker ends when the input ends or when the receiver of its batches is dropped: it never
    // outlives the other two.
    let (read, written) =
        tokio::join!(read(reader, buffer_sender), write(state, collection_id, staged, batches));
    let summary = chunking.await.map_err(|panic| StageError::new(ErrorKind::Internal, panic))??;
    read?;
    let (chunk_count, batch_count) = written?;
    let summary = summary.ok_or_else(|| StageError::new(ErrorKind::Internal, "the chunker stopped early"))?;
    Ok(Some(ChunkedDocument { summary, chunk_count, batch_count }))
}

/// What is chunked.
struct Input {
    reader: ArtifactReader,
    /// Whether it is the text artifact of a document that was parsed, not the document itself.
    is_parsed: bool,
}

/// Opens the document, or its text if it needs a parser. Returns `None` if that is not extracted yet.
async fn open(
    state: &State,
    collection_id: CollectionId,
    staged: StagedVersion,
    settings: &DocumentSettings,
) -> Result<Option<Input>, StageError> {
    let StagedVersion { document_id, generation, .. } = staged;
    let raw = ArtifactKey::Raw { collection_id, document_id, generation };
    let mut reader = match state.artifacts.open(&raw).await {
        // The text is for users, to whom a key says nothing.
        Err(error @ ArtifactError::NotFound { .. }) => {
            let reason = "its raw document is missing; index it again from its source";
            return Err(StageError::new(error.kind(), reason));
        }
        opened => opened?,
    };
    let head = reader.peek(DocumentFormat::HEAD_BYTES).await?;
    if settings.parsed_format(&head).is_none() {
        return Ok(Some(Input { reader, is_parsed: false }));
    }
    let text = ArtifactKey::Text { collection_id, document_id, generation };
    match state.artifacts.open(&text).await {
        Ok(reader) => Ok(Some(Input { reader, is_parsed: true })),
        Err(ArtifactError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Sends the object's bytes to the chunker. An error is sent too, so that a truncated document is not
/// mistaken for a complete one.
async fn read(
    mut reader: ArtifactReader,
    buffers: mpsc::Sender<Result<Bytes, ()>>,
) -> Result<(), ArtifactError> {
    loop {
        let buffer = match reader.next().await {
            Ok(Some(buffer)) => Ok(buffer),
            Ok(None) => return Ok(()),
            Err(error) => {
                // If the receiver is gone, the chunker has failed with an error of its own.
                buffers.send(Err(())).await.ok();
                return Err(error);
            }
        };
        if buffers.send(buffer).await.is_err() {
            return Ok(());
        }
    }
}

/// Writes the batches in order. Returns the numbers of chunks and batches.
async fn write(
    state: &State,
    collection_id: CollectionId,
    staged: StagedVersion,
    mut batches: mpsc::Receiver<Vec<ChunkRecord>>,
) -> Result<(u32, u32), StageError> {
    let StagedVersion { document_id, generation, .. } = staged;
    let (mut chunk_count, mut batch_count) = (0_usize, 0_u32);
    while let Some(batch) = batches.recv().await {
        let key = ArtifactKey::Chunks { collection_id, document_id, generation, batch: batch_count };
        let lines =
            codec::encode_chunks(&batch).map_err(|error| StageError::new(ErrorKind::Internal, error))?;
        state.artifacts.write(&key, lines, "application/x-ndjson").await?;
        chunk_count += batch.len();
        batch_count += 1;
    }
    Ok((u32::try_from(chunk_count).unwrap_or(u32::MAX), batch_count))
}

/// Runs the chunker; blocks the thread. Returns `None` if the input was truncated or the receiver of the
/// batches was dropped: the reader or the writer has the error.
fn chunk_buffers(
    tokens: &ModelTokens,
    settings: DocumentSettings,
    is_parsed: bool,
    mut buffers: mpsc::Receiver<Result<Bytes, ()>>,
    batches: &mpsc::Sender<Vec<ChunkRecord>>,
) -> Result<Option<DocumentSummary>, StageError> {
    let mut document = match is_parsed {
        true => DocumentChunker::of_frames(tokens, settings)?,
        false => DocumentChunker::new(tokens, settings),
    };
    while let Some(buffer) = buffers.blocking_recv() {
        let Ok(buffer) = buffer else {
            return Ok(None);
        };
        for batch in document.push(&buffer)? {
            if batches.blocking_send(batch).is_err() {
                return Ok(None);
            }
        }
    }
    let (last, summary) = document.finish()?;
    for batch in last {
        if batches.blocking_send(batch).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(summary))
}
