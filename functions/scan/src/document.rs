//! Stages one document: reads its bytes, decides what to do with them, stores and registers them.

use artifacts::{ArtifactError, ArtifactWriter, ObjectHead};
use connectors::ConnectorError;
use db::documents::ExistingDocument;
use db::operations::StagingOutcome;
use dispatch::FailedDocument;
use domain::{ArtifactKey, ErrorCategory, ErrorKind};
use lambda::StageError;
use staging::{ContentScanner, Decision, Given, ReadDocument, Recorded, decide, record};

use crate::State;
use crate::context::Context;
use crate::index::delete_points_before;
use crate::source::open;
use crate::steps::{Bytes, Step};

/// Stages the item's document. A document that cannot be read is recorded as failed; if a retry may help, the reason
/// is noted on the item, for the case that none does.
pub(crate) async fn stage_document(state: &State, context: &Context<'_>) -> Result<Step, StageError> {
    match read(state, context).await {
        Ok(read) => register(state, context, read).await,
        Err(error) if error.is_retryable() => {
            let reason = retry_reason(error.kind());
            let mut connection = state.db.connection().await?;
            connection.operation_items().note_failed_attempt(context.item.id, reason).await?;
            Err(error)
        }
        Err(error) => fail(state, context, &error).await,
    }
}

/// Records that the document cannot be staged, whatever is tried, or is not to be.
async fn fail(state: &State, context: &Context<'_>, error: &StageError) -> Result<Step, StageError> {
    let outcome = unread_outcome(error);
    if matches!(outcome, StagingOutcome::Failed { .. }) {
        dispatch::log_failed(FailedDocument {
            stage: "scan",
            operation_id: context.operation.id,
            item_id: context.item.id,
            document_id: Some(context.document_id),
            reason: &error.chain(),
            category: ErrorCategory::Permanent,
        });
    }
    let target = context.target();
    let mut connection = state.db.connection().await?;
    let existing = connection.documents().find_existing(context.document_id).await?;
    connection.operation_items().mark_staged(&target.unread(&outcome)).await?;
    drop(connection);
    // What it had before it was left out is not found any more.
    let is_left_out = matches!(outcome, StagingOutcome::Skipped { .. });
    if is_left_out && existing.is_some_and(|existing| existing.generation.exists()) {
        delete_points_before(state, context.collection, context.document_id, context.item.generation).await?;
    }
    Ok(Step::Ended { bytes: Bytes::default() })
}

/// A document that its source leaves out is skipped; any other that cannot be read has failed.
fn unread_outcome(error: &StageError) -> StagingOutcome {
    let reason = error.reason();
    match error.cause() {
        Some(ConnectorError::LeftOut { .. }) => StagingOutcome::Skipped { reason },
        _ => StagingOutcome::Failed { reason, category: ErrorCategory::Permanent },
    }
}

/// Returns what users learn of an error that is retried. Its own text names hosts, keys and calls: it is for the log.
fn retry_reason(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Throttled => "its storage limits the request rate",
        ErrorKind::Unavailable => "its storage does not answer",
        _ => "an internal error occurred",
    }
}

/// A document whose bytes were read once.
struct Read {
    document: ReadDocument,
    raw: RawDocument,
}

/// The bytes of a document that are not staged yet.
enum RawDocument {
    /// An object of the staging bucket, to be copied within S3.
    Object { key: ArtifactKey, head: ObjectHead },
    /// Bytes of a source. The staged object appears when the writer is finished.
    Written(ArtifactWriter),
}

impl RawDocument {
    /// Makes the bytes that were read appear under `key`.
    ///
    /// # Errors
    /// Returns `Unavailable` if the object was replaced or deleted since it was read: the next attempt
    /// finds what is there then.
    async fn stage(self, state: &State, key: &ArtifactKey) -> Result<(), StageError> {
        match self {
            Self::Written(writer) => Ok(writer.finish().await?),
            Self::Object { key: from, head } => match state.artifacts.copy(&from, &head, key).await {
                Err(error @ ArtifactError::NotFound { .. }) => {
                    Err(StageError::new(ErrorKind::Unavailable, error))
                }
                copied => Ok(copied?),
            },
        }
    }
}

/// Reads the document's bytes once, for their hash. An object of the staging bucket is only read; the bytes
/// of any other source are written to the staging bucket while they are read.
async fn read(state: &State, context: &Context<'_>) -> Result<Read, StageError> {
    let item = context.item;
    let mut reader = open(state, context).await?;
    let mime_type = reader.mime_type(item);
    let mut scanner = ContentScanner::default();
    let raw = match reader.copyable_object() {
        Some((key, head)) => {
            let raw = RawDocument::Object { key: key.clone(), head: head.clone() };
            while let Some(buffer) = reader.next().await? {
                scanner.push(&buffer);
            }
            raw
        }
        None => {
            let content_type = mime_type.as_deref().unwrap_or("application/octet-stream");
            let mut writer = state.artifacts.writer(&context.target().key(), content_type);
            while let Some(buffer) = reader.next().await? {
                scanner.push(&buffer);
                writer.write(&buffer).await?;
            }
            RawDocument::Written(writer)
        }
    };
    let change_hint = reader.change_hint(item);
    Ok(Read { document: ReadDocument { content: scanner.finish(), mime_type, change_hint }, raw })
}

/// Decides what to do with the bytes and records it.
async fn register(state: &State, context: &Context<'_>, read: Read) -> Result<Step, StageError> {
    let Read { document, raw } = read;
    let Context { collection, item, document_id, .. } = *context;
    let size_bytes = document.content.size_bytes;
    let mut bytes = Bytes { read: size_bytes, copied: 0 };
    let mut connection = state.db.connection().await?;
    let existing = connection.documents().find_existing(document_id).await?;
    let outcome = match decide(&document.content, existing.as_ref(), Given::with(item)) {
        Decision::Unchanged => {
            connection.operation_items().mark_item_unchanged(item.id, document_id).await?;
            return Ok(Step::Ended { bytes });
        }
        Decision::Skip { reason } => StagingOutcome::Skipped { reason: reason.to_owned() },
        Decision::Index => StagingOutcome::Staged,
    };
    drop(connection);
    let target = context.target();
    let is_staged = outcome == StagingOutcome::Staged;
    if is_staged {
        if matches!(raw, RawDocument::Object { .. }) {
            bytes.copied = size_bytes;
        }
        match raw.stage(state, &target.key()).await {
            // S3 may refuse to copy what it let us read.
            Err(error) if !error.is_retryable() => return fail(state, context, &error).await,
            staged => staged?,
        }
        if existing.as_ref().is_some_and(ExistingDocument::may_have_orphaned_points) {
            delete_points_before(state, collection, document_id, item.generation).await?;
        }
    }
    let recorded = record(&state.db, &state.artifacts, &target, &document, &outcome).await?;
    if recorded == Recorded::Refused {
        return Ok(Step::Ended { bytes });
    }
    if is_staged {
        return Ok(Step::Staged { id: item.id, bytes });
    }
    if existing.is_some_and(|existing| existing.generation.exists()) {
        delete_points_before(state, collection, document_id, item.generation).await?;
    }
    Ok(Step::Ended { bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_their_source_leaves_out_are_skipped_with_the_reason() {
        let left_out =
            ConnectorError::LeftOut { what: "the mail 7".into(), reason: "it is encrypted".into() };
        let outcome = unread_outcome(&left_out.into());
        let reason = "the mail 7 is left out: it is encrypted".to_owned();
        assert_eq!(outcome, StagingOutcome::Skipped { reason });
        let refused = ConnectorError::NotFound { what: "the mail 8".into() };
        assert!(matches!(unread_outcome(&refused.into()), StagingOutcome::Failed { .. }));
    }
}
