//! Which documents the recognize function extracts: those that may need OCR, of collections where it is on.

use db::operations::{ItemWork, StagedVersion};
use domain::{ArtifactKey, ErrorKind};
use frames::{DocumentFormat, OCR_IS_NOT_DEPLOYED};
use lambda::StageError;

use crate::State;

/// Returns whether the recognize function is to extract the document, not this one. Reads only its first bytes.
///
/// # Errors
/// Returns an error with the reason for the document's owner if only OCR could read it and is not deployed, and a
/// retryable one if S3 is unavailable.
pub(crate) async fn needs_recognize(
    state: &State,
    work: &ItemWork,
    staged: StagedVersion,
) -> Result<bool, StageError> {
    if !work.settings.ocr || state.ocr.is_some() {
        return Ok(false);
    }
    let StagedVersion { document_id, generation, .. } = staged;
    let raw = ArtifactKey::Raw { collection_id: work.collection_id, document_id, generation };
    let mut reader = state.artifacts.open(&raw).await?;
    let head = reader.peek(DocumentFormat::HEAD_BYTES).await?;
    let media_type = work.mime_type.as_deref().unwrap_or_default();
    match DocumentFormat::detect(&work.file_name, media_type, &head) {
        Some(format) if format.may_need_ocr() && state.sends_to_recognize => Ok(true),
        Some(format) if format.is_image() => {
            let reason = format!("{} is read by OCR only, and {OCR_IS_NOT_DEPLOYED}", format.name());
            Err(StageError::new(ErrorKind::Invalid, reason))
        }
        _ => Ok(false),
    }
}
