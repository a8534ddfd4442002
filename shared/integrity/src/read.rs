//! Reads a bounded part of a collection from its stores.
//!
//! The rows of documents are read before and after the other stores: what has changed in between, or is on
//! the work list of an open operation, is left out. So a discrepancy is one that no work in progress explains.

use std::collections::BTreeSet;

use artifacts::ArtifactStore;
use chrono::{TimeDelta, Utc};
use db::Db;
use db::collections::Counter;
use domain::{CollectionId, DocumentId};
use uuid::Uuid;
use vectors::VectorDatabase;

use crate::cursor::Cursor;
use crate::error::IntegrityError;
use crate::facts::{Facts, UploadedObject};

/// Documents that a page has at most.
pub const MAX_DOCUMENTS: usize = 500;
/// Operations on a page.
const OPERATIONS: i64 = 100;
/// Points that are read with one call.
pub(crate) const POINTS_PER_CALL: u32 = 1000;
/// Calls for one page of points.
const CALLS: usize = 5;
/// The event of an object that was uploaded less than this ago may still be on its way.
const EVENT_DELAY: TimeDelta = TimeDelta::minutes(15);

/// Where facts are read.
#[derive(Debug, Clone, Copy)]
pub struct Stores<'a> {
    /// PostgreSQL.
    pub db: &'a Db,
    /// The staging bucket.
    pub artifacts: &'a ArtifactStore,
    /// Qdrant.
    pub vectors: &'a VectorDatabase,
}

/// The collection to check.
#[derive(Debug, Clone, Copy)]
pub struct CheckedCollection<'a> {
    /// The collection.
    pub id: CollectionId,
    /// The Qdrant collection that searches use.
    pub vector_store_name: &'a str,
    /// Whether the caller is the collection's running operation, so that no other one is changing it.
    pub is_exclusive: bool,
}

/// A part of a collection.
#[derive(Debug, Clone)]
pub struct Page {
    /// What the stores hold.
    pub facts: Facts,
    /// How much was read.
    pub checked: Checked,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Cursor>,
}

/// How much was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Ended operations.
    pub operations: usize,
    /// Documents, deleted ones included.
    pub documents: usize,
    /// Points.
    pub points: usize,
    /// Objects.
    pub objects: usize,
    /// Documents and counters that were left out, because an operation is working on them.
    pub in_progress: usize,
}

/// Reads the page at a cursor, with at most `limit` documents.
pub async fn read_page(
    stores: Stores<'_>,
    collection: CheckedCollection<'_>,
    cursor: &Cursor,
    limit: usize,
) -> Result<Page, IntegrityError> {
    let page = Page { facts: Facts::new(collection.id), checked: Checked::default(), next: None };
    let reader = Reader { stores, collection };
    match cursor {
        Cursor::Operations(after) => reader.read_operations(page, *after).await,
        Cursor::Documents(after) => reader.read_documents(page, *after, limit).await,
        Cursor::Uploads(after) => reader.read_uploads(page, after.as_deref()).await,
        Cursor::Points(from) => reader.read_points(page, *from).await,
    }
}

pub(crate) struct Reader<'a> {
    pub(crate) stores: Stores<'a>,
    pub(crate) collection: CheckedCollection<'a>,
}

impl Reader<'_> {
    async fn read_operations(&self, mut page: Page, after: i64) -> Result<Page, IntegrityError> {
        let mut connection = self.stores.db.connection().await?;
        let tallies = connection.operations().tally_ended(self.collection.id, after, OPERATIONS).await?;
        drop(connection);
        if Cursor::Operations(after) == Cursor::START {
            self.read_counters(&mut page).await?;
        }
        let is_full = i64::try_from(tallies.len()) == Ok(OPERATIONS);
        page.next = Some(match tallies.last() {
            Some(last) if is_full => Cursor::Operations(last.sequence),
            _ => Cursor::Documents(None),
        });
        page.checked.operations = tallies.len();
        page.facts.operations = tallies;
        Ok(page)
    }

    /// Reads the counters and the number of points, unless an operation may be changing them.
    async fn read_counters(&self, page: &mut Page) -> Result<(), IntegrityError> {
        let was_busy = self.is_busy().await?;
        let mut connection = self.stores.db.connection().await?;
        let mut counters = connection.collections().count_rows(self.collection.id).await?;
        drop(connection);
        let stored = self.stores.vectors.count_if_exists(self.collection.vector_store_name).await?;
        if was_busy || self.is_busy().await? {
            page.checked.in_progress += 1;
            return Ok(());
        }
        let chunks = counters.iter().find(|counter| counter.name == "vector_count");
        let counted = chunks.map_or(0, |counter| counter.counted);
        let stored = i64::try_from(stored).unwrap_or(i64::MAX);
        counters.push(Counter { name: "index/points".to_owned(), stored, counted });
        page.facts.counters = counters;
        Ok(())
    }

    async fn read_uploads(&self, mut page: Page, after: Option<&str>) -> Result<Page, IntegrityError> {
        let prefix = format!("announced/{}/", self.collection.id);
        let listed = self.stores.artifacts.list(&prefix, after).await?;
        let settled_before = Utc::now() - EVENT_DELAY;
        let is_new: BTreeSet<&str> = listed
            .objects
            .iter()
            .filter(|object| object.modified_at > settled_before)
            .map(|object| object.key.as_str())
            .collect();
        let keys: Vec<String> = listed.objects.iter().map(|object| object.key.clone()).collect();
        let mut connection = self.stores.db.connection().await?;
        let owned = connection.documents().list_owned_uploads(self.collection.id, &keys).await?;
        drop(connection);
        let owned: BTreeSet<&str> = owned.iter().map(String::as_str).collect();
        page.checked.objects = keys.len();
        page.next = Some(match keys.last() {
            Some(last) if listed.is_truncated => Cursor::Uploads(Some(last.clone())),
            _ => Cursor::Points(None),
        });
        page.facts.uploads = keys
            .iter()
            .map(|key| {
                let is_owned = owned.contains(key.as_str()) || is_new.contains(key.as_str());
                UploadedObject { key: key.clone(), is_owned }
            })
            .collect();
        Ok(page)
    }

    /// Reads points of the whole index, for those of documents that have no row. The others are compared
    /// with their documents.
    async fn read_points(&self, mut page: Page, from: Option<Uuid>) -> Result<Page, IntegrityError> {
        let was_busy = self.is_busy().await?;
        let (vectors, name) = (self.stores.vectors, self.collection.vector_store_name);
        let (mut points, mut next) = (Vec::new(), from);
        for _ in 0..CALLS {
            let (found, after) = vectors.list_points(name, None, next, POINTS_PER_CALL).await?;
            points.extend(found);
            next = after;
            if next.is_none() {
                break;
            }
        }
        let documents: BTreeSet<DocumentId> = points.iter().map(|point| point.document_id).collect();
        let documents: Vec<DocumentId> = documents.into_iter().collect();
        let without_row = self.without_row(&documents).await?;
        page.checked.points = points.len();
        page.next = next.map(|next| Cursor::Points(Some(next)));
        if was_busy || self.is_busy().await? {
            page.checked.in_progress += without_row.len();
            return Ok(page);
        }
        for point in points.iter().filter(|point| without_row.contains(&point.document_id)) {
            let of_generation = page.facts.points.entry((point.document_id, point.generation)).or_default();
            of_generation.insert(point.id);
        }
        Ok(page)
    }

    /// Whether an operation may be changing the collection.
    pub(crate) async fn is_busy(&self) -> Result<bool, IntegrityError> {
        if self.collection.is_exclusive {
            return Ok(false);
        }
        Ok(self.stores.db.connection().await?.operations().has_open(self.collection.id).await?)
    }
}
