//! Pure decision logic: what to do with an item whose bytes were read.

use db::documents::ExistingDocument;
use domain::{DocumentMetadata, DocumentStatus, SourceId};

use crate::Content;

/// What to do with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// End it as skipped: there is nothing to index.
    Skip {
        /// Why.
        reason: &'static str,
    },
    /// End it as unchanged: its document is searchable with these bytes.
    Unchanged,
    /// Index these bytes.
    Index,
}

/// Decides what to do with an item. `metadata` is the metadata sent with the bytes; without any, the
/// document keeps its own.
pub fn decide(
    content: &Content,
    existing: Option<&ExistingDocument>,
    source: Option<SourceId>,
    metadata: Option<&DocumentMetadata>,
) -> Decision {
    if let Some(reason) = content.empty_reason() {
        return Decision::Skip { reason };
    }
    let is_searchable = existing.is_some_and(|existing| {
        existing.status == DocumentStatus::Completed
            && existing.generation == existing.last_generation
            // Earlier versions recorded documents with equal bytes without points.
            && existing.chunk_count > 0
            && existing.content_hash.as_deref() == Some(&content.hash)
            // A document without a source gets this one, and its points must be rewritten with it.
            && (existing.source_id.is_some() || source.is_none())
            && metadata.is_none_or(|metadata| *metadata == existing.metadata)
    });
    if is_searchable { Decision::Unchanged } else { Decision::Index }
}

#[cfg(test)]
mod tests {
    use domain::Generation;

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
            source_id: Some(SourceId(1)),
            chunk_count: 3,
            metadata: metadata("tides"),
        }
    }

    fn metadata(topic: &str) -> DocumentMetadata {
        serde_json::from_value(serde_json::json!({ "topic": topic })).unwrap()
    }

    fn decision(existing: Option<ExistingDocument>) -> Decision {
        decide(&content("h"), existing.as_ref(), Some(SourceId(1)), None)
    }

    #[test]
    fn empty_files_are_skipped_whatever_the_collection_holds() {
        let empty = Content { hash: "h".to_owned(), size_bytes: 0, is_blank: true };
        let decision = decide(&empty, Some(&searchable("h")), None, None);
        assert!(matches!(decision, Decision::Skip { .. }));
    }

    #[test]
    fn new_and_changed_documents_are_indexed() {
        assert_eq!(decision(None), Decision::Index);
        assert_eq!(decision(Some(searchable("other"))), Decision::Index);
    }

    #[test]
    fn the_same_bytes_are_not_indexed_again() {
        assert_eq!(decision(Some(searchable("h"))), Decision::Unchanged);
    }

    #[test]
    fn changed_metadata_is_a_change_of_the_document() {
        let decision = |topic: &str| {
            decide(&content("h"), Some(&searchable("h")), Some(SourceId(1)), Some(&metadata(topic)))
        };
        assert_eq!(decision("tides"), Decision::Unchanged);
        assert_eq!(decision("moons"), Decision::Index);
    }

    #[test]
    fn only_searchable_documents_count_as_unchanged() {
        let failed = ExistingDocument { status: DocumentStatus::Failed, ..searchable("h") };
        let interrupted_before_the_switch =
            ExistingDocument { last_generation: Generation(3), ..searchable("h") };
        let without_source = ExistingDocument { source_id: None, ..searchable("h") };
        let without_points = ExistingDocument { chunk_count: 0, ..searchable("h") };
        for existing in [failed, interrupted_before_the_switch, without_source, without_points] {
            assert_eq!(decision(Some(existing.clone())), Decision::Index, "{existing:?}");
        }
    }
}
