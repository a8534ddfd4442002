//! From the raw document in S3 through the child process to its text in S3.

use std::fs::File;
use std::io::{Seek, SeekFrom};

use artifacts::{ArtifactError, ArtifactReader};
use db::operations::{ItemWork, StagedVersion};
use domain::{ArtifactKey, Classify, ErrorKind};
use frames::codec::{MAGIC, encode};
use frames::{DocumentFormat, Frame, Warning, WarningKind};
use lambda::StageError;
use sandbox::{Job, Limits};
use tokio::io::AsyncWriteExt;

use crate::State;

/// A larger document is refused: parsers seek, so the whole file is on the function's disk.
const MAX_DOCUMENT_BYTES: u64 = 512 * 1024 * 1024;

/// Bytes of the start that decide the format: a TAR archive says what it is after 257 bytes.
const HEAD_BYTES: usize = 1024;

/// Extracts the text and writes it as the text artifact, as a whole or not at all.
///
/// # Errors
/// Returns an error with the reason for the document's owner if it cannot be read, and a retryable one if S3 is
/// unavailable or the child process cannot be run.
pub(crate) async fn extract(state: &State, work: &ItemWork, staged: StagedVersion) -> Result<(), StageError> {
    let StagedVersion { document_id, generation, .. } = staged;
    let collection_id = work.collection_id;
    let raw = ArtifactKey::Raw { collection_id, document_id, generation };
    let reader = match state.artifacts.open(&raw).await {
        // The text is for users, to whom a key says nothing.
        Err(error @ ArtifactError::NotFound { .. }) => {
            let reason = "its raw document is missing; index it again from its source";
            return Err(StageError::new(error.kind(), reason));
        }
        opened => opened?,
    };
    let size = reader.head().size_bytes;
    if size > MAX_DOCUMENT_BYTES {
        let most = MAX_DOCUMENT_BYTES >> 20;
        let reason = format!("too large to be parsed; at most {most} MiB allowed, got {} MiB", size >> 20);
        return Err(StageError::new(ErrorKind::TooLarge, reason));
    }
    let (document, head) = download(reader).await?;
    let media_type = work.mime_type.as_deref().unwrap_or_default();
    let Some(format) = DocumentFormat::detect(&work.file_name, media_type, &head) else {
        return Err(StageError::new(ErrorKind::Internal, "the document needs no parser"));
    };
    let ocr = state.ocr.clone().filter(|_| work.settings.ocr && format.may_need_ocr());
    let job = Job {
        format,
        file_name: work.file_name.clone(),
        pdfium_library: Some(state.pdfium_library.clone()),
        limits: if ocr.is_some() { Limits::with_ocr() } else { Limits::default() },
        ocr,
    };
    let mut run = state.sandbox.start(&job, document)?;
    let text = ArtifactKey::Text { collection_id, document_id, generation };
    let mut writer = state.artifacts.writer(&text, "application/octet-stream");
    let mut record = MAGIC.to_vec();
    let mut attachments = 0;
    while let Some(frame) = run.next().await? {
        match frame {
            // Files inside a document are not indexed; the document says so.
            Frame::AttachmentStart { .. } => attachments += 1,
            Frame::AttachmentData(_) | Frame::AttachmentEnd => {}
            Frame::End(_) => {
                if attachments > 0 {
                    let left_out = Warning { kind: WarningKind::AttachmentsLeftOut, count: attachments };
                    encode_frame(&Frame::Warning(left_out), &mut record)?;
                }
                encode_frame(&frame, &mut record)?;
            }
            _ => encode_frame(&frame, &mut record)?,
        }
        writer.write(&record).await?;
        record.clear();
    }
    writer.finish().await?;
    Ok(())
}

fn encode_frame(frame: &Frame, record: &mut Vec<u8>) -> Result<(), StageError> {
    encode(frame, record).map_err(|error| StageError::new(ErrorKind::Internal, error))
}

/// Writes the document to a file without a name, which is gone when it is closed. Returns its first bytes, too.
async fn download(mut reader: ArtifactReader) -> Result<(File, Vec<u8>), StageError> {
    let disk = |error| StageError::new(ErrorKind::Unavailable, error);
    let mut file = tokio::fs::File::from_std(tempfile::tempfile().map_err(disk)?);
    let mut head = Vec::with_capacity(HEAD_BYTES);
    while let Some(bytes) = reader.next().await? {
        let missing = HEAD_BYTES.saturating_sub(head.len()).min(bytes.len());
        head.extend_from_slice(&bytes[..missing]);
        file.write_all(&bytes).await.map_err(disk)?;
    }
    file.flush().await.map_err(disk)?;
    let mut file = file.into_std().await;
    file.seek(SeekFrom::Start(0)).map_err(disk)?;
    Ok((file, head))
}
