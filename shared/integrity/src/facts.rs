//! What the stores hold, as far as it is compared.

use std::collections::{BTreeMap, BTreeSet};

use db::collections::Counter;
use db::operations::OperationTally;
use domain::{ArtifactKey, CollectionId, DocumentId, DocumentStatus, Generation, point_id};
use uuid::Uuid;

/// The ids of points, by document and generation.
pub type Points = BTreeMap<(DocumentId, Generation), BTreeSet<Uuid>>;

/// A part of a collection, as its stores describe it.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The collection.
    pub collection_id: CollectionId,
    /// Operations that have ended.
    pub operations: Vec<OperationTally>,
    /// Counters of the collection and its sources, with the rows counted.
    pub counters: Vec<Counter>,
    /// Documents on which no operation is working.
    pub documents: Vec<DocumentFacts>,
    /// Points of those documents, and of documents that do not exist.
    pub points: Points,
    /// Staged objects of those documents, and of documents that do not exist.
    pub objects: Vec<ArtifactKey>,
    /// Objects where staged ones are expected, whose keys are none of a staged object.
    pub unknown_keys: Vec<String>,
    /// Announced files.
    pub uploads: Vec<UploadedObject>,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentFacts {
    /// The document.
    pub id: DocumentId,
    /// Its status.
    pub status: DocumentStatus,
    /// Whether it has a reason for having failed or been skipped.
    pub has_reason: bool,
    /// Whether it is found in another document's place, so that it has no points of its own.
    pub is_duplicate: bool,
    /// The searchable generation.
    pub generation: Generation,
    /// The number of its chunks.
    pub chunk_count: u32,
    /// The generation whose bytes `document_artifacts` describes as those of the searchable one.
    pub content_generation: Option<Generation>,
    /// The last generation that was handed out. Objects of later ones belong to nothing.
    pub last_generation: Generation,
    /// The generations whose objects are needed, see the view `kept_generations`.
    pub kept: BTreeSet<Generation>,
    /// Whether the objects of its other generations are still to be erased.
    pub is_erasing: bool,
}

/// An announced file in the bucket. Drops belong to the bucket's owner and are left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedObject {
    /// Its key.
    pub key: String,
    /// Whether its announcement is open, or it is still to be read.
    pub is_owned: bool,
}

impl Facts {
    /// Returns the facts of a collection of which nothing was read yet.
    pub const fn new(collection_id: CollectionId) -> Self {
        Self {
            collection_id,
            operations: Vec::new(),
            counters: Vec::new(),
            documents: Vec::new(),
            points: BTreeMap::new(),
            objects: Vec::new(),
            unknown_keys: Vec::new(),
            uploads: Vec::new(),
        }
    }

    /// Returns the ids of the points that Qdrant has of a generation and should not have.
    pub fn orphaned_points(&self, document_id: DocumentId, generation: Generation) -> Vec<Uuid> {
        let Some(found) = self.points.get(&(document_id, generation)) else {
            return Vec::new();
        };
        let document = self.documents.iter().find(|document| document.id == document_id);
        let expected = document.map(|document| document.expected_points(generation)).unwrap_or_default();
        found.difference(&expected).copied().collect()
    }

    /// Returns the staged objects that no document refers to.
    pub fn orphaned_objects(&self) -> impl Iterator<Item = &ArtifactKey> {
        let documents: BTreeMap<DocumentId, &DocumentFacts> =
            self.documents.iter().map(|document| (document.id, document)).collect();
        self.objects.iter().filter(move |key| {
            let document = key.document_id().and_then(|id| documents.get(&id));
            !document.is_some_and(|document| document.owns(key))
        })
    }
}

impl DocumentFacts {
    /// Whether searches find the document itself. A failed document may still have an earlier version.
    pub fn has_points(&self) -> bool {
        self.status != DocumentStatus::Deleted
            && !self.is_duplicate
            && self.generation.exists()
            && self.chunk_count > 0
    }

    /// Returns the ids of the points that Qdrant should have of a generation.
    pub fn expected_points(&self, generation: Generation) -> BTreeSet<Uuid> {
        if !self.has_points() || generation != self.generation {
            return BTreeSet::new();
        }
        (0..self.chunk_count).map(|index| point_id(self.id, generation, index)).collect()
    }

    /// Returns the numbers of its batches of chunks, and of vectors.
    pub fn batches(&self) -> u32 {
        let per_batch = u32::try_from(ArtifactKey::CHUNKS_PER_BATCH).unwrap_or(u32::MAX);
        if self.has_points() { self.chunk_count.div_ceil(per_batch) } else { 0 }
    }

    /// Whether the document refers to a staged object.
    pub fn owns(&self, key: &ArtifactKey) -> bool {
        let Some(generation) = key.generation() else { return false };
        let is_needed =
            self.kept.contains(&generation) || (self.is_erasing && generation <= self.last_generation);
        // A searchable generation has no other batches than its own.
        let is_surplus = generation == self.generation
            && self.has_points()
            && key.batch().is_some_and(|batch| batch >= self.batches());
        is_needed && !is_surplus
    }
}
