//! Repairs a collection: makes its stores agree with its rows again, page by page.
//!
//! It runs as the collection's only operation, so nothing else changes what it reads. Points are written
//! again from the staged vectors; where those are missing, the document is put on the work list and indexed
//! again from its staged bytes or its source. What nothing refers to is deleted. The counters are counted at
//! the end of the operation, as of every one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use artifacts::ArtifactStore;
use db::collections::Collection;
use db::documents::RequeuedDocument;
use db::operations::Operation;
use domain::{ArtifactKey, DocumentId, ErrorKind, Generation};
use integrity::{
    CheckedCollection, Cursor, Discrepancy, DiscrepancyKind as Kind, DocumentFacts, Facts, Stores, compare,
    read_page,
};
use lambda::StageError;
use lambda::event::Invocation;

use crate::State;
use crate::index::ensure_active_index;
use crate::rebuild::{WriteError, write_points};
use crate::work_list::{Filled, Page, Producer, close, fill};

/// Documents on a page.
const DOCUMENTS: usize = 200;

/// The reason of documents and items that have none.
const NO_REASON: &str = "the reason was not recorded; retry the document";

/// Repairs the collection, from where an earlier invocation stopped.
pub(crate) async fn repair(
    state: &State,
    operation: &Operation,
    collection: &Collection,
    invocation: &Invocation,
) -> Result<&'static str, StageError> {
    ensure_active_index(state, collection).await?;
    let filled = fill(state, operation, &mut Repairs { state, operation, collection }, invocation).await?;
    if filled == Filled::Complete {
        close(state, operation.id).await?;
    }
    Ok(filled.as_str())
}

/// Repairs a page, and puts the documents on the work list that must be indexed again.
struct Repairs<'a> {
    state: &'a State,
    operation: &'a Operation,
    collection: &'a Collection,
}

impl Producer for Repairs<'_> {
    const PAGE_TIME: Duration = Duration::from_secs(60);

    async fn produce(&mut self, cursor: Option<&str>) -> Result<Page, StageError> {
        let cursor: Cursor = match cursor {
            Some(cursor) => {
                cursor.parse().map_err(|error: String| StageError::new(ErrorKind::Internal, error))?
            }
            None => Cursor::START,
        };
        let Self { state, collection, .. } = *self;
        let stores = Stores { db: &state.db, artifacts: &state.artifacts, vectors: &state.vectors };
        let checked = CheckedCollection {
            id: collection.id,
            vector_store_name: &collection.vector_store_name,
            is_exclusive: true,
        };
        let page = read_page(stores, checked, &cursor, DOCUMENTS).await?;
        let discrepancies = compare(&page.facts);
        for discrepancy in &discrepancies {
            tracing::warn!(
                operation.id = %self.operation.id,
                document.id = discrepancy.document_id.map(tracing::field::display),
                kind = discrepancy.kind.as_str(),
                key = discrepancy.key,
                expected = discrepancy.expected,
                found = discrepancy.found,
                "repairing"
            );
        }
        self.repair_page(&page.facts, &discrepancies).await?;
        Ok(page.next.map_or(Page::Last, |next| Page::MoreFrom(next.to_string())))
    }
}

impl Repairs<'_> {
    async fn repair_page(&self, facts: &Facts, discrepancies: &[Discrepancy]) -> Result<(), StageError> {
        let Self { state, collection, .. } = *self;
        let mut by_document: BTreeMap<DocumentId, BTreeSet<Kind>> = BTreeMap::new();
        for discrepancy in discrepancies {
            match (discrepancy.kind, discrepancy.document_id, discrepancy.generation) {
                (Kind::OrphanedPoints, Some(document_id), Some(generation)) => {
                    let ids = facts.orphaned_points(document_id, generation);
                    state.vectors.delete_points(&collection.vector_store_name, &ids).await?;
                }
                (Kind::OpenItems | Kind::UnexplainedItems | Kind::UncountedItems, ..) => {
                    if let Some(id) = discrepancy.operation_id {
                        state.db.connection().await?.operations().settle_items(id, NO_REASON).await?;
                    }
                }
                (Kind::UnexplainedDocument, Some(document_id), _) => {
                    state.db.connection().await?.documents().explain(document_id, NO_REASON).await?;
                }
                // Deleted together.
                (Kind::OrphanedObjects, ..) => {}
                (kind, Some(document_id), _) => {
                    by_document.entry(document_id).or_default().insert(kind);
                }
                // At the end of the operation.
                _ => {}
            }
        }
        let orphaned = facts.orphaned_objects().map(ArtifactKey::path);
        let uploads = facts.uploads.iter().filter(|upload| !upload.is_owned).map(|upload| upload.key.clone());
        let orphaned: Vec<String> =
            orphaned.chain(uploads).chain(facts.unknown_keys.iter().cloned()).collect();
        for keys in orphaned.chunks(ArtifactStore::PAGE) {
            state.artifacts.delete_keys(keys).await?;
        }
        let mut requeued = Vec::new();
        for document in &facts.documents {
            if let Some(kinds) = by_document.get(&document.id)
                && self.repair_document(facts, document, kinds).await? == Outcome::NotInPlace
            {
                requeued.push(RequeuedDocument { id: document.id, copy_generation: staged(facts, document) });
            }
        }
        if !requeued.is_empty() {
            let mut connection = state.db.connection().await?;
            connection.documents().requeue(self.operation.id, &requeued).await?;
        }
        Ok(())
    }

    async fn repair_document(
        &self,
        facts: &Facts,
        document: &DocumentFacts,
        kinds: &BTreeSet<Kind>,
    ) -> Result<Outcome, StageError> {
        if kinds.contains(&Kind::StalledDocument) || kinds.contains(&Kind::EmptyDocument) {
            return Ok(Outcome::NotInPlace);
        }
        let collection_id = self.collection.id;
        if kinds.contains(&Kind::MissingObjects) && !self.copy_raw(facts, document).await? {
            return Ok(Outcome::NotInPlace);
        }
        if kinds.contains(&Kind::MissingArtifactRow) {
            let (document_id, generation) = (document.id, document.generation);
            let key = ArtifactKey::Raw { collection_id, document_id, generation };
            let head = self.state.artifacts.head(&key).await?;
            let size = head.map(|head| i64::try_from(head.size_bytes).unwrap_or(i64::MAX));
            let mut connection = self.state.db.connection().await?;
            let is_inserted = match size {
                Some(size) => {
                    connection.document_artifacts().insert_lost(document_id, generation, size).await?
                }
                None => false,
            };
            if !is_inserted {
                return Ok(Outcome::NotInPlace);
            }
        }
        if kinds.contains(&Kind::MissingPoints) {
            return self.write_points_again(document).await;
        }
        Ok(Outcome::Repaired)
    }

    /// Copies the staged bytes from another generation with the same bytes. Returns whether all objects of
    /// the document are there then.
    async fn copy_raw(&self, facts: &Facts, document: &DocumentFacts) -> Result<bool, StageError> {
        let (collection_id, document_id) = (self.collection.id, document.id);
        let raw = |generation| ArtifactKey::Raw { collection_id, document_id, generation };
        let has = |key: &ArtifactKey| facts.objects.contains(key);
        let (searchable, content) = (raw(document.generation), document.content_generation.map(raw));
        let generation = document.generation;
        let has_batches = (0..document.batches()).all(|batch| {
            has(&ArtifactKey::Chunks { collection_id, document_id, generation, batch })
                && has(&ArtifactKey::Vectors { collection_id, document_id, generation, batch })
        });
        let Some(content) = content.filter(|_| has_batches) else {
            return Ok(has_batches && has(&searchable));
        };
        let (from, to) = match (has(&searchable), has(&content)) {
            (true, true) => return Ok(true),
            (true, false) => (searchable, content),
            (false, true) => (content, searchable),
            (false, false) => return Ok(false),
        };
        let Some(head) = self.state.artifacts.head(&from).await? else { return Ok(false) };
        self.state.artifacts.copy(&from, &head, &to).await?;
        Ok(true)
    }

    async fn write_points_again(&self, document: &DocumentFacts) -> Result<Outcome, StageError> {
        let Self { state, collection, .. } = *self;
        let mut connection = state.db.connection().await?;
        let found = connection.documents().find_searchable(collection.id, document.id).await?;
        drop(connection);
        let Some(searchable) = found.filter(|found| found.generation == document.generation) else {
            // It was deleted meanwhile.
            return Ok(Outcome::Repaired);
        };
        match write_points(state, collection, &collection.vector_store_name, searchable).await {
            Ok(()) => Ok(Outcome::Repaired),
            Err(WriteError::Unusable(reason)) => {
                tracing::warn!(document.id = %document.id, reason, "the staged vectors cannot be used");
                Ok(Outcome::NotInPlace)
            }
            Err(WriteError::Failed(error)) => Err(error),
        }
    }
}

/// What became of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Repaired,
    /// It must be indexed again.
    NotInPlace,
}

/// Returns the generation whose staged bytes the document is indexed from; `None` for its source.
fn staged(facts: &Facts, document: &DocumentFacts) -> Option<Generation> {
    let newest = if document.has_points() { document.generation } else { document.last_generation };
    let raw = facts.objects.iter().filter_map(|key| match key {
        ArtifactKey::Raw { document_id, generation, .. } if *document_id == document.id => Some(*generation),
        _ => None,
    });
    raw.filter(|generation| *generation <= newest).max()
}
