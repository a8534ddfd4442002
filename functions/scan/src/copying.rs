//! Stages an item of a reindex: its raw document is copied to the generation that it gets in the new index,
//! without reading its source.

use artifacts::ArtifactError;
use db::operations::{ArtifactRef, ItemFailure, ItemWork, StagedVersion};
use domain::{ArtifactKey, ErrorCategory, ItemState};
use frames::DocumentFormat;
use lambda::StageError;

use crate::State;
use crate::steps::{Bytes, Step};

/// Copies the raw document of a listed item. An item that is past that is sent again or left alone.
pub(crate) async fn copy_item(state: &State, work: &ItemWork) -> Result<Step, StageError> {
    match (work.state, work.staged, work.base) {
        (ItemState::Listed, Some(staged), Some(base)) => copy(state, work, staged, base).await,
        // A crash may have prevented the message after the commit.
        (ItemState::Staged, _, _) => Ok(Step::Staged { id: work.item_id, bytes: Bytes::default() }),
        (ItemState::Chunked, _, _) => Ok(Step::Passed),
        _ => Ok(Step::Ended { bytes: Bytes::default() }),
    }
}

async fn copy(
    state: &State,
    work: &ItemWork,
    staged: StagedVersion,
    base: ArtifactRef,
) -> Result<Step, StageError> {
    let collection_id = work.collection_id;
    let from = ArtifactKey::Raw { collection_id, document_id: base.document_id, generation: base.generation };
    let to =
        ArtifactKey::Raw { collection_id, document_id: staged.document_id, generation: staged.generation };
    let copied = match state.artifacts.head(&from).await {
        Ok(Some(head)) => state.artifacts.copy(&from, &head, &to).await.map(|()| head.size_bytes),
        Ok(None) => Err(ArtifactError::NotFound { key: from.path() }),
        Err(error) => Err(error),
    };
    let bytes = match copied {
        Ok(copied) => Bytes { read: 0, copied },
        Err(error @ (ArtifactError::NotFound { .. } | ArtifactError::Refused { .. })) => {
            let reason = match error {
                ArtifactError::NotFound { .. } => {
                    "its raw document is missing; index it again from its source".to_owned()
                }
                refused => refused.to_string(),
            };
            let failure = ItemFailure::Failed { reason, category: ErrorCategory::Permanent };
            let mut tx = state.db.begin().await?;
            tx.operation_items().mark_failed(work.item_id, &failure).await?;
            tx.commit().await?;
            return Ok(Step::Ended { bytes: Bytes::default() });
        }
        Err(error) => return Err(error.into()),
    };
    if !needs_ocr(work) {
        copy_text(state, work, staged, base).await?;
    }
    let is_ours = state.db.connection().await?.operation_items().mark_copied(work.item_id).await?;
    Ok(if is_ours { Step::Staged { id: work.item_id, bytes } } else { Step::Ended { bytes } })
}

/// Whether the document is to be extracted anew, because the reindex turns OCR on and its text was extracted without.
/// A reindex that turns OCR off keeps the text that OCR has read.
fn needs_ocr(work: &ItemWork) -> bool {
    let media_type = work.mime_type.as_deref().unwrap_or_default();
    let format = DocumentFormat::detect(&work.file_name, media_type, &[]);
    // Without a known name, the bytes are another format's than the name says, or a PDF's.
    work.starts_ocr && format.is_none_or(DocumentFormat::may_need_ocr)
}

/// Copies the text that a parser has extracted, so that the document is not parsed again. Without one, it is.
async fn copy_text(
    state: &State,
    work: &ItemWork,
    staged: StagedVersion,
    base: ArtifactRef,
) -> Result<(), StageError> {
    let media_type = work.mime_type.as_deref().unwrap_or_default();
    if DocumentFormat::detect(&work.file_name, media_type, &[]).is_none() {
        return Ok(());
    }
    let collection_id = work.collection_id;
    let text = |document_id, generation| ArtifactKey::Text { collection_id, document_id, generation };
    let from = text(base.document_id, base.generation);
    if let Some(head) = state.artifacts.head(&from).await? {
        state.artifacts.copy(&from, &head, &text(staged.document_id, staged.generation)).await?;
    }
    Ok(())
}
