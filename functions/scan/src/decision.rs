//! Pure decision logic: what to do with an item whose bytes were read.

use db::documents::StagingContext;
use domain::{DocumentId, DocumentMetadata, DocumentStatus, SourceId};

use crate::content::Content;

/// What to do with an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// End it as skipped: there is nothing to index.
    Skip { reason: &'static str },
    /// End it as unchanged: its document is searchable with these bytes.
    Unchanged,
    /// Record it as a duplicate: another document is searchable with these bytes.
    Duplicate { original: DocumentId },
    /// Index these bytes. `release` is a document that still has their content hash from an interrupted
    /// run and must give it up.
    Index { release: Option<DocumentId> },
}

/// Decides what to do with an item. `metadata` is the metadata sent with the bytes; without any, the
/// document keeps its own.
pub(crate) fn decide(
    content: &Content,
    context: &StagingContext,
    source: Option<SourceId>,
    metadata: Option<&DocumentMetadata>,
) -> Decision {
    if let Some(reason) = content.empty_reason() {
        return Decision::Skip { reason };
    }
    if let Some(existing) = &context.existing {
        let is_searchable = existing.status == DocumentStatus::Completed
            && existing.generation == existing.last_generation
            && existing.content_hash.as_deref() == Some(&content.hash)
            // A document without a source gets this one, and its points must be rewritten with it.
            && (existing.source_id.is_some() || source.is_none())
            && metadata.is_none_or(|metadata| *metadata == existing.metadata);
        if is_searchable && existing.duplicate_of.is_none() {
            return Decision::Unchanged;
        }
        let original = context.original.as_ref().filter(|original| original.is_indexed);
        if is_searchable && original.is_some_and(|original| Some(original.id) == existing.duplicate_of) {
            return Decision::Unchanged;
        }
    }
    match &context.original {
        Some(original) if original.is_indexed => Decision::Duplicate { original: original.id },
        Some(interrupted) => Decision::Index { release: Some(interrupted.id) },
        None => Decision::Index { release: None },
    }
}

#[cfg(test)]
mod tests {
    use db::documents::{ExistingDocument, Original};
    use domain::Generation;
    use uuid::Uuid;

    use super::*;

    fn content(hash: &str) -> Content {
        Content { hash: hash.to_owned(), size_bytes: 3, is_blank: false }
    }

    fn searchable(hash: &str) -> ExistingDocument {
        ExistingDocument {
            status: DocumentStatus::Completed,
            content_hash: Some(hash.to_owned()),
            generation: Generation(2),
            last_generation: Generation(2),
            duplicate_of: None,
            source_id: Some(SourceId(1)),
            chunk_count: 3,
            metadata: metadata("tides"),
        }
    }

    fn metadata(topic: &str) -> DocumentMetadata {
        serde_json::from_value(serde_json::json!({ "topic": topic })).unwrap()
    }

    fn same_bytes(is_indexed: bool) -> Original {
        Original { id: DocumentId(Uuid::max()), is_indexed }
    }

    fn decision(existing: Option<ExistingDocument>, original: Option<Original>) -> Decision {
        decide(&content("h"), &StagingContext { existing, original }, Some(SourceId(1)), None)
    }

    #[test]
    fn empty_files_are_skipped_whatever_the_collection_holds() {
        let empty = Content { hash: "h".to_owned(), size_bytes: 0, is_blank: true };
        let context = StagingContext { existing: Some(searchable("h")), original: Some(same_bytes(true)) };
        assert!(matches!(decide(&empty, &context, None, None), Decision::Skip { .. }));
    }

    #[test]
    fn new_and_changed_documents_are_indexed() {
        assert_eq!(decision(None, None), Decision::Index { release: None });
        assert_eq!(decision(Some(searchable("other")), None), Decision::Index { release: None });
    }

    #[test]
    fn the_same_bytes_are_not_indexed_again() {
        assert_eq!(decision(Some(searchable("h")), None), Decision::Unchanged);
        let original = same_bytes(true);
        assert_eq!(decision(None, Some(original.clone())), Decision::Duplicate { original: original.id });
        let known_duplicate = ExistingDocument { duplicate_of: Some(original.id), ..searchable("h") };
        assert_eq!(decision(Some(known_duplicate), Some(original)), Decision::Unchanged);
    }

    #[test]
    fn changed_metadata_is_a_change_of_the_document() {
        let decision = |existing: &ExistingDocument, original: Option<&Original>, topic: &str| {
            let context = StagingContext { existing: Some(existing.clone()), original: original.cloned() };
            decide(&content("h"), &context, Some(SourceId(1)), Some(&metadata(topic)))
        };
        let original = same_bytes(true);
        let duplicate = ExistingDocument { duplicate_of: Some(original.id), ..searchable("h") };
        assert_eq!(decision(&searchable("h"), None, "tides"), Decision::Unchanged);
        assert_eq!(decision(&searchable("h"), None, "moons"), Decision::Index { release: None });
        assert_eq!(decision(&duplicate, Some(&original), "tides"), Decision::Unchanged);
        let duplicate_again = Decision::Duplicate { original: original.id };
        assert_eq!(decision(&duplicate, Some(&original), "moons"), duplicate_again);
    }

    #[test]
    fn only_searchable_documents_count_as_unchanged() {
        let failed = ExistingDocument { status: DocumentStatus::Failed, ..searchable("h") };
        assert_eq!(decision(Some(failed), None), Decision::Index { release: None });
        let interrupted_before_the_switch =
            ExistingDocument { last_generation: Generation(3), ..searchable("h") };
        assert_eq!(decision(Some(interrupted_before_the_switch), None), Decision::Index { release: None });
        let without_source = ExistingDocument { source_id: None, ..searchable("h") };
        assert_eq!(decision(Some(without_source), None), Decision::Index { release: None });
        let orphaned_duplicate =
            ExistingDocument { duplicate_of: Some(DocumentId(Uuid::nil())), ..searchable("h") };
        assert_eq!(decision(Some(orphaned_duplicate), None), Decision::Index { release: None });
    }

    #[test]
    fn the_hash_of_an_interrupted_run_is_released() {
        let stale = same_bytes(false);
        assert_eq!(decision(None, Some(stale.clone())), Decision::Index { release: Some(stale.id) });
    }
}
