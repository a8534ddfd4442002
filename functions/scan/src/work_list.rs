//! Fills an operation's work list page by page and sends its items to be staged.
//!
//! Every operation with a work list uses this driver. A [`Producer`] supplies the pages; the driver sends
//! what is to be staged, advances the cursor, and hands over to another invocation before the time runs
//! out.

use std::time::Duration;

use db::operations::Operation;
use domain::{ItemId, OperationId, ScanMessage};
use lambda::StageError;
use lambda::event::Invocation;

use crate::State;

/// Items in one message.
const ITEMS_PER_MESSAGE: usize = 25;

/// Items that are loaded, and sent, at a time.
const ITEMS_PER_PAGE: i64 = 1000;

/// Puts items on the work list, one page per call.
pub(crate) trait Producer {
    /// The longest time that one page may take: no page is started with less time left.
    const PAGE_TIME: Duration = Duration::from_secs(30);

    /// Whether its items must be staged. Otherwise they are complete as they are inserted.
    const NEEDS_STAGING: bool = true;

    /// Puts the page at `cursor` on the work list, the first page if there is no cursor. Safe to repeat.
    async fn produce(&mut self, cursor: Option<&str>) -> Result<Page, StageError>;
}

/// Where the work list continues after a page.
#[derive(Debug)]
pub(crate) enum Page {
    /// This was the last page.
    Last,
    /// There is more; repeating the call yields the next page.
    More,
    /// There is more, from this cursor on.
    MoreFrom(String),
}

/// How far a work list was filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    /// To its end.
    Complete,
    /// Until the time ran out; a message was sent that continues.
    Part,
    /// Another invocation is ahead and continues.
    ByAnother,
}

impl Filled {
    /// The outcome for the log.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "work list filled",
            Self::Part => "work list filled in part",
            Self::ByAnother => "another invocation fills the work list",
        }
    }
}

/// A work list whose items were inserted together with the operation: there is nothing to add.
pub(crate) struct Given;

impl Producer for Given {
    async fn produce(&mut self, _: Option<&str>) -> Result<Page, StageError> {
        Ok(Page::Last)
    }
}

/// Fills the work list from the operation's cursor on. The caller decides what follows a complete list, and
/// calls [`close`].
pub(crate) async fn fill<P: Producer>(
    state: &State,
    operation: &Operation,
    producer: &mut P,
    invocation: &Invocation,
) -> Result<Filled, StageError> {
    let mut cursor = operation.scan_cursor.clone();
    // From the first item on: a crash may have prevented that the items of earlier pages were sent.
    let mut last = ItemId(0);
    loop {
        let page = producer.produce(cursor.as_deref()).await?;
        if P::NEEDS_STAGING {
            lambda::fault::point("scan-listed");
            last = send_listed(state, operation.id, last).await?;
        }
        match page {
            Page::Last => return Ok(Filled::Complete),
            Page::More => {}
            Page::MoreFrom(next) => {
                let mut connection = state.db.connection().await?;
                let is_ours = connection
                    .operations()
                    .advance_cursor(operation.id, cursor.as_deref(), Some(&next))
                    .await?;
                if !is_ours {
                    return Ok(Filled::ByAnother);
                }
                cursor = Some(next);
            }
        }
        if invocation.remaining() < P::PAGE_TIME {
            continue_later(state, operation.id).await?;
            return Ok(Filled::Part);
        }
    }
}

/// Marks the work list as complete and ends the operation if none of its items is open.
pub(crate) async fn close(state: &State, operation_id: OperationId) -> Result<(), StageError> {
    state.db.connection().await?.operations().mark_scan_finished(operation_id).await?;
    dispatch::end_operation(&state.db, &state.queues, operation_id).await?;
    Ok(())
}

/// Sends the message by which another invocation continues the operation.
pub(crate) async fn continue_later(state: &State, operation_id: OperationId) -> Result<(), StageError> {
    state.queues.send_scan(&[ScanMessage::RunOperation { operation_id }]).await?;
    Ok(())
}

/// Ends the listed items after `after` that have not changed and sends the others to be staged. Returns
/// the last item that was handled.
async fn send_listed(state: &State, operation_id: OperationId, after: ItemId) -> Result<ItemId, StageError> {
    let mut last = after;
    state.db.connection().await?.operation_items().mark_unchanged(operation_id, after).await?;
    loop {
        let mut connection = state.db.connection().await?;
        let ids = connection.operation_items().list_undispatched(operation_id, last, ITEMS_PER_PAGE).await?;
        drop(connection);
        let Some(newest) = ids.last() else {
            return Ok(last);
        };
        last = *newest;
        let message = |group: &[ItemId]| ScanMessage::StageItems { operation_id, item_ids: group.to_vec() };
        state.queues.send_scan(&ids.chunks(ITEMS_PER_MESSAGE).map(message).collect::<Vec<_>>()).await?;
        state.db.connection().await?.operation_items().mark_dispatched(&ids).await?;
    }
}
