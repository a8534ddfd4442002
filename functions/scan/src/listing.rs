//! The work list of an append operation: the documents of its source.

use db::operations::Operation;
use db::sources::CollectionSource;
use domain::{Classify, ErrorKind, OnMissing, OperationType, SourceType};
use lambda::StageError;
use lambda::event::Invocation;
use thiserror::Error;

use crate::State;
use crate::source::{list_page, on_missing};
use crate::work_list::{Filled, Given, Page, Producer, fill};

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

/// Fills the work list with the source's documents and sends those that are new or changed. Operations
/// whose work list was inserted with them only have it sent.
pub(crate) async fn fill_from_source(
    state: &State,
    operation: &Operation,
    invocation: &Invocation,
) -> Result<Filled, StageError> {
    let Some(source) = find_listable_source(state, operation).await? else {
        return fill(state, operation, &mut Given, invocation).await;
    };
    // Pages that an earlier invocation listed may have been incomplete too.
    let is_incomplete = operation.meta.get("unreadable").is_some();
    let mut listing = SourceListing { state, operation, source, is_incomplete };
    fill(state, operation, &mut listing, invocation).await
}

/// Returns the source to list; `None` if the work list was inserted with the operation.
async fn find_listable_source(
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
    Ok((source.source_type != SourceType::UPLOAD).then_some(source))
}

/// Produces the documents of a source. After the last page, handles the documents that the source no
/// longer contains, as its settings say.
struct SourceListing<'a> {
    state: &'a State,
    operation: &'a Operation,
    source: CollectionSource,
    /// Whether something could not be read, so that a missing document may still exist.
    is_incomplete: bool,
}

impl Producer for SourceListing<'_> {
    async fn produce(&mut self, cursor: Option<&str>) -> Result<Page, StageError> {
        let page = list_page(self.state, &self.source, cursor).await?;
        let mut connection = self.state.db.connection().await?;
        if page.unreadable > 0 {
            self.is_incomplete = true;
            connection.operations().record_unreadable(self.operation.id, page.unreadable).await?;
        }
        connection.operation_items().insert_many(self.operation.id, &page.items).await?;
        drop(connection);
        if let Some(next) = page.next {
            return Ok(Page::MoreFrom(next));
        }
        if self.is_incomplete {
            tracing::warn!(
                operation.id = %self.operation.id,
                "the listing is incomplete; no document is treated as missing"
            );
        } else {
            self.handle_missing().await?;
        }
        Ok(Page::Last)
    }
}

impl SourceListing<'_> {
    async fn handle_missing(&self) -> Result<(), StageError> {
        let Some(on_missing) = on_missing(&self.source)? else {
            return Ok(());
        };
        let mut connection = self.state.db.connection().await?;
        match on_missing {
            OnMissing::Remove => {
                connection.operation_items().insert_missing(self.operation.id).await?;
            }
            OnMissing::Keep => {
                connection.operation_items().mark_missing_stale(self.operation.id).await?;
            }
        }
        Ok(())
    }
}
