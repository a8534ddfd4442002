//! What can be wrong with a collection.

use domain::{DocumentId, Generation, OperationId};

/// A difference between what a store holds and what it should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    /// What is wrong.
    pub kind: DiscrepancyKind,
    /// The document, if it is about one. The document may not exist.
    pub document_id: Option<DocumentId>,
    /// The document's generation, if it is about one.
    pub generation: Option<Generation>,
    /// The operation, if it is about one.
    pub operation_id: Option<OperationId>,
    /// The key or key prefix of objects; or the name of a counter.
    pub key: Option<String>,
    /// The number that there should be.
    pub expected: i64,
    /// The number that there is.
    pub found: i64,
}

/// Kinds of discrepancies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiscrepancyKind {
    /// An operation has ended, and items of it have not.
    OpenItems,
    /// Items of an operation failed or were skipped without a reason.
    UnexplainedItems,
    /// An operation has more items than its counts say.
    UncountedItems,
    /// A counter of the collection or of a source is not the number of its rows.
    Counter,
    /// A document waits to be indexed, and no operation will index it.
    StalledDocument,
    /// A document failed or was skipped without a reason.
    UnexplainedDocument,
    /// A document is searchable and has no chunks.
    EmptyDocument,
    /// `document_artifacts` does not describe the staged bytes of a searchable document.
    MissingArtifactRow,
    /// Points of a searchable document are missing.
    MissingPoints,
    /// Points that no searchable document has.
    OrphanedPoints,
    /// Staged objects of a searchable document are missing.
    MissingObjects,
    /// Objects that nothing refers to.
    OrphanedObjects,
}

impl DiscrepancyKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::OpenItems,
        Self::UnexplainedItems,
        Self::UncountedItems,
        Self::Counter,
        Self::StalledDocument,
        Self::UnexplainedDocument,
        Self::EmptyDocument,
        Self::MissingArtifactRow,
        Self::MissingPoints,
        Self::OrphanedPoints,
        Self::MissingObjects,
        Self::OrphanedObjects,
    ];

    /// Returns the name that API responses, metrics and the audit log use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenItems => "open_items",
            Self::UnexplainedItems => "unexplained_items",
            Self::UncountedItems => "uncounted_items",
            Self::Counter => "counter",
            Self::StalledDocument => "stalled_document",
            Self::UnexplainedDocument => "unexplained_document",
            Self::EmptyDocument => "empty_document",
            Self::MissingArtifactRow => "missing_artifact_row",
            Self::MissingPoints => "missing_points",
            Self::OrphanedPoints => "orphaned_points",
            Self::MissingObjects => "missing_objects",
            Self::OrphanedObjects => "orphaned_objects",
        }
    }
}

impl Discrepancy {
    pub(crate) const fn new(kind: DiscrepancyKind, expected: i64, found: i64) -> Self {
        Self { kind, document_id: None, generation: None, operation_id: None, key: None, expected, found }
    }

    pub(crate) fn of_document(self, id: DocumentId) -> Self {
        Self { document_id: Some(id), ..self }
    }

    pub(crate) fn of_generation(self, generation: Generation) -> Self {
        Self { generation: Some(generation), ..self }
    }

    pub(crate) fn of_operation(self, id: OperationId) -> Self {
        Self { operation_id: Some(id), ..self }
    }

    pub(crate) fn at(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }
}
