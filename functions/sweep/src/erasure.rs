//! Erases staged objects that are no longer needed, and purges deleted documents.
//!
//! The queue is filled by triggers, see `db::documents::Erasures`. Each document is erased by itself: its objects
//! first, the rows that say that they exist after them. An interrupted erasure is repeated from the beginning.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use db::documents::{DueErasure, ErasurePlan, Purge};
use domain::ArtifactKey;
use futures_util::{StreamExt, stream};
use lambda::StageError;
use lambda::event::Invocation;
use serde::Serialize;

use crate::State;

/// Documents whose retention period has ended that one invocation queues at most.
const MAX_EXPIRED: i64 = 1000;
/// Entries of the queue that are read at a time.
const ENTRIES: i64 = 200;
/// Documents that are erased concurrently: each takes a few calls to S3.
const CONCURRENCY: usize = 8;
/// With less time left than this, no further entries are read.
const RESERVE: Duration = Duration::from_secs(15);
/// How long a document that cannot be erased leaves the queue to others.
const BACKOFF: TimeDelta = TimeDelta::minutes(5);

/// What one invocation erased.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Erased {
    /// Documents whose retention period has ended.
    pub(crate) expired: u64,
    /// Documents that were handled.
    pub(crate) documents: usize,
    /// Objects that were deleted.
    pub(crate) objects: usize,
    /// Documents that were purged.
    pub(crate) purged: usize,
}

/// Queues the deleted documents whose retention period has ended.
pub(crate) async fn queue_expired(state: &State, erased: &mut Erased) -> Result<(), StageError> {
    let deleted_before = Utc::now() - state.deleted_document_retention;
    let mut connection = state.db.connection().await?;
    erased.expired = connection.documents().request_expired_purges(deleted_before, MAX_EXPIRED).await?;
    Ok(())
}

/// Erases what is due, as far as the time allows. One document that cannot be erased does not hold up the others.
///
/// # Errors
/// Returns the first error after all documents of the same page were tried.
pub(crate) async fn erase_due(
    state: &State,
    invocation: &Invocation,
    erased: &mut Erased,
) -> Result<(), StageError> {
    let mut permission = state.db.begin().await?;
    if !permission.erasures().try_begin().await? {
        tracing::info!("nothing is erased while a backup runs");
        return Ok(());
    }
    while invocation.remaining() > RESERVE {
        let page = state.db.connection().await?.erasures().list_due(ENTRIES).await?;
        if page.is_empty() {
            return Ok(());
        }
        let mut erasures = stream::iter(page)
            .map(|due| async move {
                let done = erase(state, &due).await;
                (due, done)
            })
            .buffer_unordered(CONCURRENCY);
        let mut first_error = None;
        while let Some((due, done)) = erasures.next().await {
            match done {
                Ok(done) => {
                    erased.documents += 1;
                    erased.objects += done.objects;
                    erased.purged += usize::from(done.is_purged);
                }
                Err(error) => {
                    state.db.connection().await?.erasures().postpone(&due, Utc::now() + BACKOFF).await?;
                    first_error.get_or_insert(error);
                }
            }
        }
        if let Some(error) = first_error {
            return Err(error);
        }
    }
    Ok(())
}

struct Done {
    objects: usize,
    is_purged: bool,
}

/// Deletes the objects of the document's generations that nothing needs; everything of it if it is to be purged.
async fn erase(state: &State, due: &DueErasure) -> Result<Done, StageError> {
    let nothing = Done { objects: 0, is_purged: false };
    let mut connection = state.db.connection().await?;
    let Some(plan) = connection.erasures().plan(due.document_id).await? else {
        connection.erasures().finish(due).await?;
        return Ok(nothing);
    };
    if plan.purge.as_ref().is_some_and(|purge| purge.is_in_use) {
        connection.erasures().postpone(due, Utc::now()).await?;
        return Ok(nothing);
    }
    drop(connection);
    let is_erased = |generation| plan.erases(generation);
    let objects = state.artifacts.delete_generations(plan.collection_id, plan.document_id, is_erased).await?;
    if let Some(purge) = &plan.purge {
        erase_elsewhere(state, &plan, purge).await?;
    }
    let mut tx = state.db.begin().await?;
    let mut is_purged = false;
    // Lock order: collection, then document.
    if plan.purge.is_some() && tx.collections().lock(plan.collection_id).await?.is_some() {
        is_purged = tx.erasures().redact(&plan).await?;
    }
    tx.erasures().record(&plan).await?;
    match plan.kept_until {
        Some(kept_until) => tx.erasures().postpone(due, kept_until).await?,
        None => tx.erasures().finish(due).await?,
    }
    tx.commit().await?;
    tracing::info!(document.id = %plan.document_id, objects, is_purged, "document erased");
    Ok(Done { objects, is_purged })
}

/// Deletes the document's points from every index that may have some, and the files that it came from.
async fn erase_elsewhere(state: &State, plan: &ErasurePlan, purge: &Purge) -> Result<(), StageError> {
    for index in &purge.indexes {
        state.vectors.delete_documents(index, &[plan.document_id]).await?;
    }
    state.artifacts.delete_fetched(plan.collection_id, plan.document_id).await?;
    let arrivals = purge.locations.iter().filter_map(|location| ArtifactKey::parse_arrival(location));
    for arrival in arrivals.filter(|arrival| arrival.collection_id() == plan.collection_id) {
        state.artifacts.delete(&arrival).await?;
    }
    Ok(())
}
