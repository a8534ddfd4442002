//! From a source to the work list, and from the work list to messages.

use std::time::Duration;

use connectors::OnMissing;
use db::operations::Operation;
use db::sources::CollectionSource;
use domain::{Classify, ErrorKind, ItemId, OperationId, OperationType, ScanMessage, SourceType};
use lambda::StageError;
use lambda::event::Invocation;
use thiserror::Error;

use crate::State;
use crate::source::on_missing;

/// Items in one message.
const PER_MESSAGE: usize = 25;

/// Items that are looked up, and sent, at a time.
const PAGE: i64 = 1000;

/// With less time than this left, another invocation goes on.
const RESERVE: Duration = Duration::from_secs(30);

/// How far a listing came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listed {
    /// To its end.
    Everything,
    /// A message was sent to go on.
    Part,
    /// Somebody else is further and goes on.
    ByAnother,
}

/// A source that cannot be listed.
#[derive(Debug, Error)]
enum ListingError {
    /// It was removed while the operation waited.
    #[error("its source was removed before the operation started")]
    SourceGone,
}

impl Classify for ListingError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::SourceGone => ErrorKind::NotFound,
        }
    }
}

/// Puts the source's documents on the operation's work list and asks for those to be staged that
/// are new or changed.
pub(crate) async fn list_documents(
    state: &State,
    operation: &Operation,
    invocation: &Invocation,
) -> Result<Listed, StageError> {
    // What intake or an earlier try has put on the list.
    let mut last = send_listed(state, operation.id, ItemId(0)).await?;
    if let Some(source) = listable_source(state, operation).await? {
        let mut cursor = operation.scan_cursor.clone();
        // Pages before this try may have had gaps too.
        let mut has_gaps = operation.meta.get("unreadable").is_some();
        loop {
            let page = state.sources.list(&source, cursor.as_deref()).await?;
            let mut connection = state.db.connection().await?;
            if page.unreadable > 0 {
                has_gaps = true;
                connection.operations().note_unreadable(operation.id, page.unreadable).await?;
            }
            connection.operation_items().insert_many(operation.id, &page.items).await?;
            drop(connection);
            lambda::fault::point("scan-listed");
            last = send_listed(state, operation.id, last).await?;
            if page.next.is_none() {
                if has_gaps {
                    tracing::warn!(operation.id = %operation.id, "the listing has gaps: nothing counts as gone");
                } else if settle_missing(state, operation, &source).await? {
                    send_listed(state, operation.id, last).await?;
                }
                break;
            }
            let mut connection = state.db.connection().await?;
            let is_mine = connection
                .operations()
                .advance_cursor(operation.id, cursor.as_deref(), page.next.as_deref())
                .await?;
            drop(connection);
            if !is_mine {
                return Ok(Listed::ByAnother);
            }
            cursor = page.next;
            if invocation.remaining() < RESERVE {
                state.queues.send_scan(&[ScanMessage::RunOperation { operation_id: operation.id }]).await?;
                return Ok(Listed::Part);
            }
        }
    }
    state.db.connection().await?.operations().mark_scan_finished(operation.id).await?;
    Ok(Listed::Everything)
}

/// Deals with the documents that a whole listing did not name, as the source's settings say.
/// Returns whether there is something to remove.
async fn settle_missing(
    state: &State,
    operation: &Operation,
    source: &CollectionSource,
) -> Result<bool, StageError> {
    let Some(on_missing) = on_missing(source)? else {
        return Ok(false);
    };
    let mut connection = state.db.connection().await?;
    match on_missing {
        OnMissing::Remove => Ok(connection.operation_items().insert_missing(operation.id).await? > 0),
        OnMissing::Keep => {
            connection.operation_items().mark_missing_stale(operation.id).await?;
            Ok(false)
        }
    }
}

/// The source to list; nothing where the work list was given with the operation.
async fn listable_source(
    state: &State,
    operation: &Operation,
) -> Result<Option<CollectionSource>, StageError> {
    if operation.operation_type != OperationType::Append {
        return Ok(None);
    }
    if operation.config.get("work_list").is_some_and(|kind| kind == "given") {
        return Ok(None);
    }
    let Some(source_id) = operation.source_id else {
        return Err(ListingError::SourceGone.into());
    };
    let source = state.db.connection().await?.collection_sources().find(source_id).await?;
    let source = source.ok_or(ListingError::SourceGone)?;
    Ok((source.source_type != SourceType::Upload).then_some(source))
}

/// Ends the listed items after `after` that have not changed and asks for the others to be
/// staged. Returns the last item that was looked at.
pub(crate) async fn send_listed(
    state: &State,
    operation_id: OperationId,
    after: ItemId,
) -> Result<ItemId, StageError> {
    let mut last = after;
    state.db.connection().await?.operation_items().mark_unchanged(operation_id, after).await?;
    loop {
        let mut connection = state.db.connection().await?;
        let ids = connection.operation_items().list_undispatched(operation_id, last, PAGE).await?;
        drop(connection);
        let Some(newest) = ids.last() else {
            return Ok(last);
        };
        last = *newest;
        let message = |group: &[ItemId]| ScanMessage::StageItems { operation_id, item_ids: group.to_vec() };
        state.queues.send_scan(&ids.chunks(PER_MESSAGE).map(message).collect::<Vec<_>>()).await?;
        state.db.connection().await?.operation_items().mark_dispatched(&ids).await?;
    }
}
