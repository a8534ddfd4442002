//! From a listed item to staged bytes and a registered document.

use std::time::Duration;

use artifacts::ArtifactWriter;
use db::DbError;
use db::collections::Collection;
use db::documents::Documents;
use db::documents::{ExistingDocument, StagingContext};
use db::operations::{Operation, StagedItem, StagingItem, StagingOutcome};
use db::sources::CollectionSource;
use dispatch::FailedDocument;
use domain::{
    ArtifactKey, ChunkDocument, DocumentId, ErrorCategory, ErrorKind, Generation, ItemId, ItemState,
    OperationId, OperationStatus, OperationType, ScanMessage, SourceId, document_id,
};
use futures_util::{StreamExt, stream};
use lambda::StageError;
use lambda::event::Invocation;

use crate::State;
use crate::content::{Content, ContentScanner};
use crate::reindex::copy_items;
use crate::removal::remove_documents;
use crate::verdict::{Verdict, decide};

/// Documents that are read side by side. Each holds two parts of an object at most.
pub(crate) const CONCURRENCY: usize = 4;

/// With less time than this left, an item is left to another invocation.
pub(crate) const RESERVE: Duration = Duration::from_secs(60);

/// SQS takes this many messages in one call.
const MESSAGES_PER_CALL: usize = 10;

/// How often another document may snatch away the same bytes before the message is put back.
const TRIES: usize = 4;

/// What became of the items of one message.
#[derive(Debug, Default)]
pub(crate) struct StagedItems {
    /// Handed on to be chunked.
    pub(crate) staged: usize,
    /// Unchanged, duplicate, skipped, failed or cancelled.
    pub(crate) ended: usize,
    /// Left to another invocation.
    pub(crate) put_off: usize,
    /// Bytes that were read.
    pub(crate) size_bytes: u64,
}

/// What became of one item.
enum Step {
    Staged {
        id: ItemId,
        size_bytes: u64,
    },
    Ended {
        size_bytes: u64,
    },
    /// Further than this stage already.
    Passed,
    PutOff {
        id: ItemId,
    },
}

/// What all items of a message have in common.
struct Run<'a> {
    operation: &'a Operation,
    collection: &'a Collection,
    /// Those that the items name.
    sources: &'a [CollectionSource],
}

impl Run<'_> {
    fn source_of(&self, item: &StagingItem) -> Option<&CollectionSource> {
        self.sources.iter().find(|source| Some(source.id) == item.source_id)
    }
}

/// Stages those of the items that still are to be staged; hands on again those that were.
///
/// # Errors
/// When the message should be delivered again. What was staged before that is handed on.
pub(crate) async fn stage_items(
    state: &State,
    operation_id: OperationId,
    ids: &[ItemId],
    invocation: &Invocation,
) -> Result<StagedItems, StageError> {
    let mut connection = state.db.connection().await?;
    let Some(operation) = connection.operations().find(operation_id).await? else {
        return Ok(StagedItems::default());
    };
    let Some(collection) = connection.collections().find_any(operation.collection_id).await? else {
        return Ok(StagedItems::default());
    };
    let is_wanted = operation.status == OperationStatus::Processing
        && operation.cancel_requested_at.is_none()
        && collection.deleted_at.is_none();
    if !is_wanted {
        drop(connection);
        let ended = dispatch::cancel_items(&state.db, &state.queues, operation_id, ids).await?;
        return Ok(StagedItems { ended, ..StagedItems::default() });
    }
    connection.operation_items().settle(operation_id, ids).await?;
    if operation.operation_type == OperationType::Reindex {
        drop(connection);
        return copy_items(state, operation_id, ids, invocation).await;
    }
    let items = connection.operation_items().begin_staging(operation_id, ids).await?;
    let mut source_ids: Vec<SourceId> = items.iter().filter_map(|item| item.source_id).collect();
    source_ids.sort_unstable();
    source_ids.dedup();
    let sources = connection.collection_sources().find_many(&source_ids).await?;
    drop(connection);
    let run = Run { operation: &operation, collection: &collection, sources: &sources };
    let (removals, items): (Vec<_>, Vec<_>) =
        items.into_iter().partition(|item| item.is_removal && item.state == ItemState::Listed);
    remove_documents(state, &collection, &removals).await?;
    let mut done = stage_all(state, &run, items, invocation).await?;
    if !removals.is_empty() {
        dispatch::end_operation(&state.db, &state.queues, operation_id).await?;
    }
    done.ended += removals.len();
    Ok(done)
}

async fn stage_all(
    state: &State,
    run: &Run<'_>,
    items: Vec<StagingItem>,
    invocation: &Invocation,
) -> Result<StagedItems, StageError> {
    let operation_id = run.operation.id;
    let mut done = StagedItems::default();
    let mut to_chunk = Vec::new();
    let mut put_off = Vec::new();
    let mut first_error = None;
    let steps = stream::iter(items).map(|item| async move { advance(state, run, item, invocation).await });
    let mut steps = Box::pin(steps.buffer_unordered(CONCURRENCY));
    while let Some(step) = steps.next().await {
        match step {
            Ok(Step::Staged { id, size_bytes }) => {
                done.staged += 1;
                done.size_bytes += size_bytes;
                to_chunk.push(ChunkDocument { operation_id, item_id: id });
            }
            Ok(Step::Ended { size_bytes }) => {
                done.ended += 1;
                done.size_bytes += size_bytes;
            }
            Ok(Step::Passed) => {}
            Ok(Step::PutOff { id }) => put_off.push(id),
            Err(error) if first_error.is_none() => first_error = Some(error),
            Err(error) => tracing::warn!(error = error.chain(), "one more item failed"),
        }
        if to_chunk.len() == MESSAGES_PER_CALL {
            state.queues.send_chunk(&std::mem::take(&mut to_chunk)).await?;
        }
    }
    lambda::fault::point("scan-staged");
    state.queues.send_chunk(&to_chunk).await?;
    if done.ended > 0 {
        dispatch::end_operation(&state.db, &state.queues, operation_id).await?;
    }
    if let Some(error) = first_error {
        return Err(error);
    }
    done.put_off = put_off.len();
    if !put_off.is_empty() {
        state.queues.send_scan(&[ScanMessage::StageItems { operation_id, item_ids: put_off }]).await?;
    }
    Ok(done)
}

async fn advance(
    state: &State,
    run: &Run<'_>,
    item: StagingItem,
    invocation: &Invocation,
) -> Result<Step, StageError> {
    let document_id = document_id(run.collection.id, &item.uri);
    match item.state {
        ItemState::Listed if invocation.remaining() < RESERVE => Ok(Step::PutOff { id: item.id }),
        ItemState::Listed => {
            if !state.db.connection().await?.operations().is_wanted(run.operation.id).await? {
                dispatch::cancel_items(&state.db, &state.queues, run.operation.id, &[item.id]).await?;
                return Ok(Step::Ended { size_bytes: 0 });
            }
            stage(state, run, &item, document_id).await
        }
        // The message after the commit may be what was lost.
        ItemState::Staged => Ok(Step::Staged { id: item.id, size_bytes: 0 }),
        ItemState::Chunked => Ok(Step::Passed),
        ItemState::Duplicate | ItemState::Skipped => {
            delete_points_before(state, run, document_id, item.generation).await?;
            Ok(Step::Ended { size_bytes: 0 })
        }
        _ => Ok(Step::Ended { size_bytes: 0 }),
    }
}

async fn stage(
    state: &State,
    run: &Run<'_>,
    item: &StagingItem,
    document_id: DocumentId,
) -> Result<Step, StageError> {
    let read = match read(state, run, item, document_id).await {
        Ok(read) => read,
        Err(error) if error.is_retryable() => return Err(error),
        Err(error) => {
            let reason = error.chain();
            dispatch::log_failed(FailedDocument {
                stage: "scan",
                operation_id: run.operation.id,
                item_id: item.id,
                document_id: Some(document_id),
                reason: &reason,
            });
            let outcome = StagingOutcome::Failed { reason, category: ErrorCategory::Permanent };
            let size_bytes = item.size_bytes;
            let mime_type = item.mime_type.as_deref();
            let unread =
                StagedItem { size_bytes, mime_type, ..staged_item(run, item, document_id, &outcome) };
            state.db.connection().await?.operation_items().mark_staged(&unread).await?;
            return Ok(Step::Ended { size_bytes: 0 });
        }
    };
    register(state, run, item, document_id, read).await
}

/// A document's bytes, read once.
struct Read {
    content: Content,
    mime_type: Option<String>,
    change_hint: Option<String>,
    /// Holds the bytes, or what is left of them; nothing appears before it is finished.
    writer: ArtifactWriter,
}

async fn read(
    state: &State,
    run: &Run<'_>,
    item: &StagingItem,
    document_id: DocumentId,
) -> Result<Read, StageError> {
    let mut reader = state.sources.open(run.source_of(item), run.collection.id, item).await?;
    let mime_type = reader.mime_type(item);
    let key = ArtifactKey::Raw { collection_id: run.collection.id, document_id, generation: item.generation };
    let content_type = mime_type.as_deref().unwrap_or("application/octet-stream");
    let mut writer = state.artifacts.writer(&key, content_type);
    let mut scanner = ContentScanner::new();
    while let Some(piece) = reader.next().await? {
        scanner.push(&piece);
        writer.write(&piece).await?;
    }
    Ok(Read { content: scanner.finish(), mime_type, change_hint: reader.change_hint(item), writer })
}

/// Writes what is to become of the bytes. Tried again where another document with the same bytes
/// is quicker: then this one is its duplicate.
async fn register(
    state: &State,
    run: &Run<'_>,
    item: &StagingItem,
    document_id: DocumentId,
    read: Read,
) -> Result<Step, StageError> {
    let Read { content, mime_type, change_hint, writer } = read;
    let mut writer = Some(writer);
    for _ in 0..TRIES {
        let mut connection = state.db.connection().await?;
        let context =
            connection.documents().staging_context(run.collection.id, document_id, &content.hash).await?;
        let outcome = match decide(&content, &context, item.source_id, item.attributes.as_ref()) {
            Verdict::Unchanged => {
                connection.operation_items().mark_item_unchanged(item.id, document_id).await?;
                return Ok(Step::Ended { size_bytes: content.size_bytes });
            }
            Verdict::Skip { reason } => StagingOutcome::Skipped { reason: reason.to_owned() },
            Verdict::Duplicate { original } => StagingOutcome::Duplicate { original },
            Verdict::Index { release } => {
                if let Some(twin) = release {
                    connection.documents().release_hash(twin, &content.hash).await?;
                }
                StagingOutcome::Staged
            }
        };
        drop(connection);
        if outcome == StagingOutcome::Staged {
            if let Some(writer) = writer.take() {
                writer.finish().await?;
            }
            if context.existing.as_ref().is_some_and(ExistingDocument::may_have_orphaned_points) {
                delete_points_before(state, run, document_id, item.generation).await?;
            }
        }
        let staged = StagedItem {
            content_hash: Some(&content.hash),
            size_bytes: i64::try_from(content.size_bytes).unwrap_or(i64::MAX),
            mime_type: mime_type.as_deref(),
            change_hint: change_hint.as_deref(),
            ..staged_item(run, item, document_id, &outcome)
        };
        let marked = state.db.connection().await?.operation_items().mark_staged(&staged).await;
        let is_mine = match marked {
            Ok(is_mine) => is_mine,
            Err(error) if error.constraint() == Some(Documents::HASH_CONSTRAINT) => continue,
            Err(DbError::LimitReached { reason, .. }) => {
                refuse(state, run, &staged, item.generation, reason).await?;
                return Ok(Step::Ended { size_bytes: content.size_bytes });
            }
            Err(error) => return Err(error.into()),
        };
        let size_bytes = content.size_bytes;
        match outcome {
            StagingOutcome::Staged => return Ok(Step::Staged { id: item.id, size_bytes }),
            // Its original has failed since it was looked at.
            StagingOutcome::Duplicate { .. } if !is_mine && is_listed(state, run, item).await? => continue,
            _ => {}
        }
        if has_points(&context) {
            delete_points_before(state, run, document_id, item.generation).await?;
        }
        return Ok(Step::Ended { size_bytes });
    }
    Err(StageError::new(
        ErrorKind::Unavailable,
        "other documents with the same bytes come and go; later it will be clear",
    ))
}

/// Ends an item that there is no room for, and keeps none of its bytes: trying it again, once there is
/// room, reads them from its source.
async fn refuse(
    state: &State,
    run: &Run<'_>,
    staged: &StagedItem<'_>,
    generation: Generation,
    reason: String,
) -> Result<(), StageError> {
    let outcome = StagingOutcome::Failed { reason, category: ErrorCategory::Permanent };
    let refused = StagedItem { outcome: &outcome, ..staged.clone() };
    let is_mine = state.db.connection().await?.operation_items().mark_staged(&refused).await?;
    // Whoever reads it beside this one stages it no more from here on.
    if is_mine {
        let (collection_id, document_id) = (run.collection.id, staged.document_id);
        let key = ArtifactKey::Raw { collection_id, document_id, generation };
        state.artifacts.delete(&key).await?;
    }
    Ok(())
}

async fn is_listed(state: &State, run: &Run<'_>, item: &StagingItem) -> Result<bool, DbError> {
    let mut connection = state.db.connection().await?;
    let again = connection.operation_items().begin_staging(run.operation.id, &[item.id]).await?;
    Ok(again.first().is_some_and(|item| item.state == ItemState::Listed))
}

fn has_points(context: &StagingContext) -> bool {
    context.existing.as_ref().is_some_and(|existing| existing.generation.exists())
}

/// Search passes over the points of versions that are no more; this makes room.
async fn delete_points_before(
    state: &State,
    run: &Run<'_>,
    document_id: DocumentId,
    generation: Generation,
) -> Result<(), StageError> {
    if generation.has_predecessors() {
        let name = &run.collection.vector_store_name;
        state.vectors.delete_generations_before(name, document_id, generation).await?;
    }
    Ok(())
}

fn staged_item<'a>(
    run: &Run<'_>,
    item: &StagingItem,
    document_id: DocumentId,
    outcome: &'a StagingOutcome,
) -> StagedItem<'a> {
    StagedItem {
        item_id: item.id,
        collection_id: run.collection.id,
        source_id: item.source_id,
        document_id,
        content_hash: None,
        size_bytes: 0,
        mime_type: None,
        change_hint: None,
        outcome,
    }
}
