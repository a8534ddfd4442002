//! The thinking of this stage: what is to become of an item whose bytes were read. Pure.

use db::documents::StagingContext;
use domain::{Attributes, DocumentId, DocumentStatus, SourceId};

use crate::content::Content;

/// What is to become of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is nothing to index.
    Skip { reason: &'static str },
    /// These bytes are searchable under this name already.
    Unchanged,
    /// These bytes are searchable under another name.
    Duplicate { original: DocumentId },
    /// These bytes are to be indexed. `release` names a document whose claim to them is left over
    /// from a run that was stopped.
    Index { release: Option<DocumentId> },
}

/// `attributes` are those that came along with the bytes; without any, the document keeps its own.
pub(crate) fn decide(
    content: &Content,
    context: &StagingContext,
    source: Option<SourceId>,
    attributes: Option<&Attributes>,
) -> Verdict {
    if let Some(reason) = content.empty_reason() {
        return Verdict::Skip { reason };
    }
    if let Some(existing) = &context.existing {
        let is_searchable = existing.status == DocumentStatus::Completed
            && existing.generation == existing.last_generation
            && existing.content_hash.as_deref() == Some(&content.hash)
            // What has no source becomes this one's, and its points must say so.
            && (existing.source_id.is_some() || source.is_none())
            && attributes.is_none_or(|attributes| *attributes == existing.attributes);
        if is_searchable && existing.duplicate_of.is_none() {
            return Verdict::Unchanged;
        }
        let twin = context.twin.as_ref().filter(|twin| twin.is_indexed);
        if is_searchable && twin.is_some_and(|twin| Some(twin.id) == existing.duplicate_of) {
            return Verdict::Unchanged;
        }
    }
    match &context.twin {
        Some(twin) if twin.is_indexed => Verdict::Duplicate { original: twin.id },
        Some(twin) => Verdict::Index { release: Some(twin.id) },
        None => Verdict::Index { release: None },
    }
}

#[cfg(test)]
mod tests {
    use db::documents::{ExistingDocument, Twin};
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
            attributes: attributes("tides"),
        }
    }

    fn attributes(topic: &str) -> Attributes {
        serde_json::from_value(serde_json::json!({ "topic": topic })).unwrap()
    }

    fn twin(is_indexed: bool) -> Twin {
        Twin { id: DocumentId(Uuid::max()), is_indexed }
    }

    fn verdict(existing: Option<ExistingDocument>, twin: Option<Twin>) -> Verdict {
        decide(&content("h"), &StagingContext { existing, twin }, Some(SourceId(1)), None)
    }

    #[test]
    fn empty_files_are_skipped_whatever_the_collection_holds() {
        let empty = Content { hash: "h".to_owned(), size_bytes: 0, is_blank: true };
        let context = StagingContext { existing: Some(searchable("h")), twin: Some(twin(true)) };
        assert!(matches!(decide(&empty, &context, None, None), Verdict::Skip { .. }));
    }

    #[test]
    fn new_and_changed_documents_are_indexed() {
        assert_eq!(verdict(None, None), Verdict::Index { release: None });
        assert_eq!(verdict(Some(searchable("other")), None), Verdict::Index { release: None });
    }

    #[test]
    fn the_same_bytes_are_not_indexed_again() {
        assert_eq!(verdict(Some(searchable("h")), None), Verdict::Unchanged);
        let original = twin(true);
        assert_eq!(verdict(None, Some(original.clone())), Verdict::Duplicate { original: original.id });
        let known_duplicate = ExistingDocument { duplicate_of: Some(original.id), ..searchable("h") };
        assert_eq!(verdict(Some(known_duplicate), Some(original)), Verdict::Unchanged);
    }

    #[test]
    fn what_is_said_of_a_document_is_a_part_of_it() {
        let said = |existing: &ExistingDocument, twin: Option<&Twin>, topic: &str| {
            let context = StagingContext { existing: Some(existing.clone()), twin: twin.cloned() };
            decide(&content("h"), &context, Some(SourceId(1)), Some(&attributes(topic)))
        };
        let original = twin(true);
        let duplicate = ExistingDocument { duplicate_of: Some(original.id), ..searchable("h") };
        assert_eq!(said(&searchable("h"), None, "tides"), Verdict::Unchanged);
        assert_eq!(said(&searchable("h"), None, "moons"), Verdict::Index { release: None });
        assert_eq!(said(&duplicate, Some(&original), "tides"), Verdict::Unchanged);
        let again = Verdict::Duplicate { original: original.id };
        assert_eq!(said(&duplicate, Some(&original), "moons"), again);
    }

    #[test]
    fn only_what_is_really_searchable_counts_as_the_same() {
        let failed = ExistingDocument { status: DocumentStatus::Failed, ..searchable("h") };
        assert_eq!(verdict(Some(failed), None), Verdict::Index { release: None });
        let stopped_before_the_flip = ExistingDocument { last_generation: Generation(3), ..searchable("h") };
        assert_eq!(verdict(Some(stopped_before_the_flip), None), Verdict::Index { release: None });
        let without_source = ExistingDocument { source_id: None, ..searchable("h") };
        assert_eq!(verdict(Some(without_source), None), Verdict::Index { release: None });
        let left_alone = ExistingDocument { duplicate_of: Some(DocumentId(Uuid::nil())), ..searchable("h") };
        assert_eq!(verdict(Some(left_alone), None), Verdict::Index { release: None });
    }

    #[test]
    fn a_claim_that_is_left_over_is_released() {
        let stale = twin(false);
        assert_eq!(verdict(None, Some(stale.clone())), Verdict::Index { release: Some(stale.id) });
    }
}
