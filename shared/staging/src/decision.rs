//! Pure decision logic: what to do with an item whose bytes were read.

use db::documents::ExistingDocument;
use db::operations::StagingItem;
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

/// What is said of a document beside its bytes. Without metadata or a title, the document keeps its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// The source of the item.
    pub source: Option<SourceId>,
    /// The metadata sent with the bytes.
    pub metadata: Option<&'a DocumentMetadata>,
    /// The title that the source gives it.
    pub title: Option<&'a str>,
}

impl<'a> Given<'a> {
    /// What came with the item.
    pub fn with(item: &'a StagingItem) -> Self {
        Self { source: item.source_id, metadata: item.metadata.as_ref(), title: item.title.as_deref() }
    }
}

/// Decides what to do with an item.
pub fn decide(content: &Content, existing: Option<&ExistingDocument>, given: Given<'_>) -> Decision {
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
            && (existing.source_id.is_some() || given.source.is_none())
            && given.metadata.is_none_or(|metadata| *metadata == existing.metadata)
            // The title is in the chunks, too.
            && given.title.is_none_or(|title| existing.title.as_deref() == Some(title))
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
            title: Some("Tides".to_owned()),
        }
    }

    fn metadata(topic: &str) -> DocumentMetadata {
        serde_json::from_value(serde_json::json!({ "topic": topic })).unwrap()
    }

    fn given() -> Given<'static> {
        Given { source: Some(SourceId(1)), metadata: None, title: None }
    }

    fn decision(existing: Option<ExistingDocument>) -> Decision {
        decide(&content("h"), existing.as_ref(), given())
    }

    #[test]
    fn empty_files_are_skipped_whatever_the_collection_holds() {
        let empty = Content { hash: "h".to_owned(), size_bytes: 0, is_blank: true };
        let decision = decide(&empty, Some(&searchable("h")), Given::default());
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
            let metadata = Some(&metadata(topic));
            decide(&content("h"), Some(&searchable("h")), Given { metadata, ..given() })
        };
        assert_eq!(decision("tides"), Decision::Unchanged);
        assert_eq!(decision("moons"), Decision::Index);
    }

    #[test]
    fn changed_title_is_a_change_of_the_document() {
        let decision =
            |title| decide(&content("h"), Some(&searchable("h")), Given { title: Some(title), ..given() });
        assert_eq!(decision("Tides"), Decision::Unchanged);
        assert_eq!(decision("Moons"), Decision::Index);
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
