//! Fills an operation's work list page by page and sends its items to be staged.
//!
//! Every operation with a work list uses this driver. A [`Producer`] supplies the pages; the driver sends
//! what is to be staged, as far as it fits into the operation's window, advances the cursor, and hands over to another
//! invocation before the time runs out. What does not fit is sent when others have ended.

use std::time::Duration;

use db::operations::Operation;
use domain::{OperationId, ScanMessage};
use lambda::StageError;
use lambda::event::Invocation;

use crate::State;

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
    let mut connection = state.db.connection().await?;
    let mut ready = connection.operations().open_window(operation.id, state.max_items_under_way).await?;
    drop(connection);
    loop {
        let page = producer.produce(cursor.as_deref()).await?;
        if P::NEEDS_STAGING {
            lambda::fault::point("scan-listed");
            let mut connection = state.db.connection().await?;
            // Those of earlier pages are ready. A crash may have prevented that all new ones are.
            connection.operation_items().mark_unchanged(operation.id, ready).await?;
            ready = connection.operations().mark_items_ready(operation.id).await?;
            drop(connection);
            dispatch::send_next_items(&state.db, &state.queues, operation.id).await?;
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
