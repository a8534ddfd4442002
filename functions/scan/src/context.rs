//! A document to stage.

use db::collections::Collection;
use db::operations::{Operation, StagingItem};
use domain::{ArtifactKey, DocumentId};
use staging::Target;

use crate::sessions::Sessions;

/// The document to stage and what it belongs to.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) collection: &'a Collection,
    /// The sources of the message's items.
    pub(crate) sessions: &'a Sessions<'a>,
    pub(crate) item: &'a StagingItem,
    pub(crate) document_id: DocumentId,
}

impl Context<'_> {
    /// Where the document's bytes are if listing its source needed them.
    pub(crate) fn fetched_key(&self) -> ArtifactKey {
        let (collection_id, operation_id) = (self.collection.id, self.operation.id);
        ArtifactKey::Fetched { collection_id, document_id: self.document_id, operation_id }
    }

    pub(crate) fn target(&self) -> Target<'_> {
        Target {
            collection_id: self.collection.id,
            document_id: self.document_id,
            source_id: self.item.source_id,
            item: self.item,
        }
    }
}
