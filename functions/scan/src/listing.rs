//! The work list of an append operation: the documents of its source.

use std::time::{Duration, Instant};

use connectors::{CrawlStep, DuePage, Entry, KnownPage, Listing, SourceSpec, Unlisted, VisitedPage};
use db::operations::{NewItem, Operation};
use db::sources::{CollectionSource, DueSourcePage, SourcePageState};
use domain::{ArtifactKey, Classify, ErrorKind, ItemId, OnMissing, OperationType, document_id};
use futures_util::{TryStreamExt, stream};
use lambda::StageError;
use lambda::event::Invocation;
use thiserror::Error;

use crate::State;
use crate::source_spec::readable_spec;
use crate::work_list::{Filled, Given, Page, Producer, fill};

/// When a page of a listing must be complete.
const LISTING_TIME: Duration = Duration::from_secs(20);

/// Objects that are written concurrently.
const CONCURRENCY: usize = 4;

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
    let spec = readable_spec(state, &source).await?;
    let checkpoint = state.db.connection().await?.source_listings().checkpoint(source.id).await?;
    // Pages that an earlier invocation listed may have been incomplete too.
    let is_incomplete = operation.meta.get("unreadable").is_some();
    let mut listing = SourceListing { state, operation, source, spec, checkpoint, is_incomplete };
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
    Ok((!source.source_type.is_received()).then_some(source))
}

/// Produces the documents of a source. After the last page, handles the documents that the source no
/// longer contains, as its settings say.
struct SourceListing<'a> {
    state: &'a State,
    operation: &'a Operation,
    source: CollectionSource,
    spec: SourceSpec,
    /// What the last listing left.
    checkpoint: Option<String>,
    /// Whether something could not be read, so that a missing document may still exist.
    is_incomplete: bool,
}

impl Producer for SourceListing<'_> {
    /// A page of a crawl waits for its slowest request.
    const PAGE_TIME: Duration = Duration::from_secs(60);

    async fn produce(&mut self, cursor: Option<&str>) -> Result<Page, StageError> {
        let page = self.list(cursor).await?;
        let items: Vec<NewItem> = page.entries.iter().map(new_item).collect();
        let mut connection = self.state.db.connection().await?;
        connection.operation_items().insert_many(self.operation.id, &items).await?;
        drop(connection);
        self.store_contents(page.entries).await?;
        self.leave(&page.gone).await?;
        let left_out = self.record_crawl(&page.crawl).await?;
        if page.unreadable + left_out > 0 {
            self.is_incomplete = true;
            let mut connection = self.state.db.connection().await?;
            connection.operations().record_unreadable(self.operation.id, page.unreadable + left_out).await?;
        }
        if let Some(next) = page.next {
            return Ok(Page::MoreFrom(next));
        }
        self.end(page.unlisted, page.checkpoint).await?;
        Ok(Page::Last)
    }
}

impl SourceListing<'_> {
    async fn list(&self, cursor: Option<&str>) -> Result<connectors::Page, StageError> {
        let mut due = Vec::new();
        if self.spec.crawl_limit().is_some() && cursor.is_some() {
            let mut connection = self.state.db.connection().await?;
            let mut listings = connection.source_listings();
            let pages = listings.due_pages(self.source.id, self.operation.id, DuePage::MAX).await?;
            // Every page that was found has been visited.
            if pages.is_empty() {
                return Ok(connectors::Page::default());
            }
            due.extend(pages.into_iter().map(due_page));
        }
        let listing = Listing {
            cursor,
            checkpoint: self.checkpoint.as_deref(),
            due: &due,
            limit: connectors::Page::MAX_ENTRIES,
            until: Instant::now() + LISTING_TIME,
        };
        Ok(self.state.connectors.list(&self.spec, listing).await?)
    }

    /// Stores the bytes that came with the listing of documents that are to be staged.
    async fn store_contents(&self, entries: Vec<Entry>) -> Result<(), StageError> {
        let with_content: Vec<Entry> = entries.into_iter().filter(|entry| entry.content.is_some()).collect();
        if with_content.is_empty() {
            return Ok(());
        }
        let uris: Vec<String> = with_content.iter().map(|entry| entry.uri.clone()).collect();
        let operation_id = self.operation.id;
        let mut connection = self.state.db.connection().await?;
        connection.operation_items().mark_unchanged(operation_id, ItemId(0)).await?;
        let unsent = connection.operation_items().list_unsent(operation_id, &uris).await?;
        drop(connection);
        let changed = with_content.into_iter().filter(|entry| unsent.contains(&entry.uri));
        stream::iter(changed.map(Ok))
            .try_for_each_concurrent(CONCURRENCY, |entry| self.store_content(entry))
            .await?;
        let mut connection = self.state.db.connection().await?;
        Ok(connection.operation_items().mark_fetched(operation_id, &unsent).await?)
    }

    async fn store_content(&self, entry: Entry) -> Result<(), StageError> {
        let collection_id = self.operation.collection_id;
        let document_id = document_id(collection_id, &entry.uri);
        let key = ArtifactKey::Fetched { collection_id, document_id, operation_id: self.operation.id };
        let content_type = entry.mime_type.as_deref().unwrap_or("application/octet-stream");
        Ok(self.state.artifacts.write(&key, entry.content.unwrap_or_default(), content_type).await?)
    }

    /// Handles documents that the source says are gone.
    async fn leave(&self, gone: &[String]) -> Result<(), StageError> {
        if gone.is_empty() {
            return Ok(());
        }
        let mut connection = self.state.db.connection().await?;
        match self.spec.on_missing() {
            Some(OnMissing::Remove) => {
                connection.operation_items().insert_missing(self.operation.id, Some(gone)).await?;
            }
            Some(OnMissing::Keep) => {
                let collection_id = self.operation.collection_id;
                let ids: Vec<_> = gone.iter().map(|uri| document_id(collection_id, uri)).collect();
                connection.documents().mark_stale(&ids).await?;
            }
            None => {}
        }
        Ok(())
    }

    /// Records what a crawl found and visited; returns how many pages it may not visit any more.
    async fn record_crawl(&self, step: &CrawlStep) -> Result<u64, StageError> {
        let Some(limit) = self.spec.crawl_limit() else {
            return Ok(0);
        };
        let (source_id, operation_id) = (self.source.id, self.operation.id);
        let found: Vec<(String, u32)> =
            step.found.iter().map(|page| (page.url.clone(), page.depth)).collect();
        let mut tx = self.state.db.begin().await?;
        let left_out = tx.source_listings().find_pages(source_id, operation_id, &found, limit).await?;
        for VisitedPage { url, known } in &step.visited {
            let state = known.as_ref().map(page_state);
            tx.source_listings().mark_visited(source_id, operation_id, url, state.as_ref()).await?;
        }
        tx.commit().await?;
        Ok(left_out)
    }

    /// Handles what the complete listing says of documents that it did not list, and keeps where the next one starts.
    async fn end(&self, unlisted: Unlisted, checkpoint: Option<String>) -> Result<(), StageError> {
        let (source_id, operation_id) = (self.source.id, self.operation.id);
        let mut connection = self.state.db.connection().await?;
        if self.is_incomplete {
            tracing::warn!(
                operation.id = %operation_id,
                "the listing is incomplete; no document is treated as missing"
            );
            return Ok(());
        }
        if let Some(checkpoint) = checkpoint {
            let mut listings = connection.source_listings();
            listings.propose_checkpoint(source_id, operation_id, &checkpoint).await?;
        }
        if self.spec.crawl_limit().is_some() {
            connection.source_listings().delete_unfound(source_id, operation_id).await?;
        }
        match self.spec.on_missing().filter(|_| unlisted == Unlisted::Gone) {
            Some(OnMissing::Remove) => {
                connection.operation_items().insert_missing(operation_id, None).await?;
            }
            Some(OnMissing::Keep) => {
                connection.operation_items().mark_missing_stale(operation_id).await?;
            }
            None => {}
        }
        Ok(())
    }
}

fn new_item(entry: &Entry) -> NewItem {
    NewItem {
        uri: entry.uri.clone(),
        location: entry.location.clone(),
        file_name: entry.file_name.clone(),
        file_path: Some(entry.file_path.clone()),
        size_bytes: i64::try_from(entry.size_bytes).unwrap_or(i64::MAX),
        mime_type: entry.mime_type.clone(),
        change_hint: entry.change_hint.clone(),
        url: entry.url.clone(),
        title: entry.title.clone(),
        metadata: entry.metadata.clone(),
    }
}

fn due_page(page: DueSourcePage) -> DuePage {
    let known = page.known.map(|state| KnownPage {
        etag: state.etag,
        last_modified: state.last_modified,
        change_hint: state.change_hint,
        links: state.links,
    });
    DuePage { url: page.url, depth: page.depth, known }
}

fn page_state(known: &KnownPage) -> SourcePageState {
    SourcePageState {
        etag: known.etag.clone(),
        last_modified: known.last_modified.clone(),
        change_hint: known.change_hint.clone(),
        links: known.links.clone(),
    }
}
