//! Moves a document from S3 through the chunker and back to S3, a piece at a time.
//!
//! Reading, thinking and writing go on side by side; the channels between them hold a few pieces
//! each, so the slowest of the three sets the pace and memory stays flat.

use artifacts::{ArtifactError, ArtifactReader, codec};
use bytes::Bytes;
use db::operations::StagedVersion;
use domain::{ArtifactKey, ChunkRecord, CollectionId, ErrorKind};
use extraction::Extracted;
use lambda::StageError;
use segmentation::{DocumentChunks, DocumentSettings, ModelTokens};
use tokio::sync::mpsc;

use crate::State;

/// Pieces that may wait between two of the three.
const PIECES_IN_FLIGHT: usize = 4;

/// What became of a document.
#[derive(Debug)]
pub(crate) struct ChunkedDocument {
    pub(crate) extracted: Extracted,
    pub(crate) chunk_count: u32,
    pub(crate) batch_count: u32,
}

/// Chunks the staged bytes and stages the chunks.
///
/// # Errors
/// The first error of the three. Batches that were written stay: the next try writes the same
/// ones again.
pub(crate) async fn chunk_document(
    state: &State,
    collection_id: CollectionId,
    staged: StagedVersion,
    tokens: ModelTokens,
    settings: DocumentSettings,
) -> Result<ChunkedDocument, StageError> {
    let StagedVersion { document_id, generation, .. } = staged;
    let reader = state.artifacts.open(&ArtifactKey::Raw { collection_id, document_id, generation }).await?;
    let (piece_sender, pieces) = mpsc::channel(PIECES_IN_FLIGHT);
    let (batch_sender, batches) = mpsc::channel::<Vec<ChunkRecord>>(PIECES_IN_FLIGHT);
    let thinking = tokio::task::spawn_blocking(move || think(&tokens, settings, pieces, &batch_sender));
    // The chunker ends when the bytes do, or when nobody takes its batches any more: it never
    // outlives the other two.
    let (read, written) =
        tokio::join!(read(reader, piece_sender), write(state, collection_id, staged, batches));
    let thought = thinking.await.map_err(|panic| StageError::new(ErrorKind::Internal, panic))?;
    let extracted = thought?;
    read?;
    let (chunk_count, batch_count) = written?;
    let extracted =
        extracted.ok_or_else(|| StageError::new(ErrorKind::Internal, "the chunker stopped early"))?;
    Ok(ChunkedDocument { extracted, chunk_count, batch_count })
}

/// Hands on the object's bytes; an error is handed on too, so that a document that was cut off is
/// not taken for a whole one.
async fn read(
    mut reader: ArtifactReader,
    pieces: mpsc::Sender<Result<Bytes, ()>>,
) -> Result<(), ArtifactError> {
    loop {
        let piece = match reader.next().await {
            Ok(Some(piece)) => Ok(piece),
            Ok(None) => return Ok(()),
            Err(error) => {
                // Nobody listening is fine: then the chunker has an error of its own.
                pieces.send(Err(())).await.ok();
                return Err(error);
            }
        };
        if pieces.send(piece).await.is_err() {
            return Ok(());
        }
    }
}

/// Writes the batches in the order in which they come. Returns how many chunks and batches there
/// were.
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

/// Runs on a thread of its own. Nothing is returned if the bytes broke off or nobody wants the
/// batches: the error is with whoever caused it.
fn think(
    tokens: &ModelTokens,
    settings: DocumentSettings,
    mut pieces: mpsc::Receiver<Result<Bytes, ()>>,
    batches: &mpsc::Sender<Vec<ChunkRecord>>,
) -> Result<Option<Extracted>, StageError> {
    let mut document = DocumentChunks::new(tokens, settings);
    while let Some(piece) = pieces.blocking_recv() {
        let Ok(piece) = piece else {
            return Ok(None);
        };
        for batch in document.push(&piece)? {
            if batches.blocking_send(batch).is_err() {
                return Ok(None);
            }
        }
    }
    let (last, extracted) = document.finish()?;
    for batch in last {
        if batches.blocking_send(batch).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(extracted))
}
