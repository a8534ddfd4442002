//! From the raw document in S3 through the child process to its text in S3, and to the files inside it.

use std::fs::File;
use std::io::{Seek, SeekFrom};

use artifacts::{ArtifactError, ArtifactReader, ArtifactWriter};
use db::operations::{ItemWork, StagedVersion};
use domain::{ArtifactKey, Classify, ErrorKind};
use frames::codec::{MAGIC, encode};
use frames::{DocumentFormat, Frame, Summary, Warning, WarningKind};
use lambda::StageError;
use sandbox::{Job, Limits, Run};
use tokio::io::AsyncWriteExt;

use crate::State;
use crate::members::Members;

/// A larger document is refused: parsers seek, so the whole file is on the function's disk.
const MAX_DOCUMENT_BYTES: u64 = 512 * 1024 * 1024;

/// The reason for an archive in an archive whose files are all left out.
const TOO_MANY_FILES: &str = "the archive that it is in holds too many files altogether: at most 10,000 with 2 GiB are \
    read, those of archives in it included; upload it alone";

/// Extracts the text and writes it as the text artifact, as a whole or not at all, and stages the files inside the
/// document before. Returns whether it did: the item may end meanwhile.
///
/// # Errors
/// Returns an error with the reason for the document's owner if it cannot be read, and a retryable one if PostgreSQL,
/// S3 or SQS is unavailable or the child process cannot be run.
pub(crate) async fn extract(
    state: &State,
    work: &ItemWork,
    staged: StagedVersion,
) -> Result<bool, StageError> {
    let mut run = start(state, work, staged).await?;
    let StagedVersion { document_id, generation, .. } = staged;
    let mut members = Members::open(state, work, document_id).await?;
    let text = ArtifactKey::Text { collection_id: work.collection_id, document_id, generation };
    let mut writer = state.artifacts.writer(&text, "application/octet-stream");
    match read(&mut run, &mut writer, &mut members).await {
        Ok(Read::Complete { has_all_files }) => {
            // The text says that the files are staged, so they are first.
            members.stage(has_all_files).await?;
            writer.finish().await?;
            Ok(true)
        }
        Ok(Read::Stopped) => {
            members.discard().await?;
            Ok(false)
        }
        Err(error) => {
            if !error.is_retryable() {
                members.discard().await?;
            }
            Err(error)
        }
    }
}

/// Starts the child process with the document as its input.
async fn start(state: &State, work: &ItemWork, staged: StagedVersion) -> Result<Run, StageError> {
    let StagedVersion { document_id, generation, .. } = staged;
    let raw = ArtifactKey::Raw { collection_id: work.collection_id, document_id, generation };
    let mut reader = match state.artifacts.open(&raw).await {
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
    let head = reader.peek(DocumentFormat::HEAD_BYTES).await?;
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
    Ok(state.sandbox.start(&job, download(reader).await?)?)
}

/// How far a document was read.
enum Read {
    /// To its end. `has_all_files` says whether no file inside it was damaged, encrypted or left out.
    Complete { has_all_files: bool },
    /// Its item has ended meanwhile.
    Stopped,
}

/// Writes the frames of the text, and reads the files inside the document.
async fn read(
    run: &mut Run,
    writer: &mut ArtifactWriter,
    members: &mut Members<'_>,
) -> Result<Read, StageError> {
    let mut record = MAGIC.to_vec();
    // Files that the parser left out.
    let mut left_out = 0;
    let mut has_all_files = true;
    while let Some(frame) = run.next().await? {
        match frame {
            Frame::AttachmentStart { name, media_type } => members.start(&name, &media_type).await?,
            Frame::AttachmentData(bytes) => members.push(&bytes).await?,
            Frame::AttachmentEnd => members.end().await?,
            Frame::Warning(Warning { kind: WarningKind::AttachmentsLeftOut, count }) => left_out += count,
            Frame::Warning(warning) => {
                has_all_files &=
                    !matches!(warning.kind, WarningKind::PartsUnreadable | WarningKind::AttachmentsEncrypted);
                encode_frame(&frame, &mut record)?;
            }
            Frame::End(summary) => {
                let ours = members.left_out();
                if ours > 0 && members.count() == 0 && summary.text_bytes == 0 {
                    return Err(StageError::new(ErrorKind::TooLarge, TOO_MANY_FILES));
                }
                has_all_files &= left_out + ours == 0;
                if left_out + ours > 0 {
                    let kind = WarningKind::AttachmentsLeftOut;
                    encode_frame(&Frame::Warning(Warning { kind, count: left_out + ours }), &mut record)?;
                }
                let attachments = u32::try_from(members.count()).unwrap_or(u32::MAX);
                encode_frame(&Frame::End(Summary { attachments, ..summary }), &mut record)?;
            }
            _ => encode_frame(&frame, &mut record)?,
        }
        if members.is_closed() {
            return Ok(Read::Stopped);
        }
        writer.write(&record).await?;
        record.clear();
    }
    Ok(Read::Complete { has_all_files })
}

fn encode_frame(frame: &Frame, record: &mut Vec<u8>) -> Result<(), StageError> {
    encode(frame, record).map_err(|error| StageError::new(ErrorKind::Internal, error))
}

/// Writes the document to a file without a name, which is gone when it is closed.
async fn download(mut reader: ArtifactReader) -> Result<File, StageError> {
    let disk = |error| StageError::new(ErrorKind::Unavailable, error);
    let mut file = tokio::fs::File::from_std(tempfile::tempfile().map_err(disk)?);
    while let Some(bytes) = reader.next().await? {
        file.write_all(&bytes).await.map_err(disk)?;
    }
    file.flush().await.map_err(disk)?;
    let mut file = file.into_std().await;
    file.seek(SeekFrom::Start(0)).map_err(disk)?;
    Ok(file)
}
