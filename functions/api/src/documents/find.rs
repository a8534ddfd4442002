//! Finding a document within its collection.

use db::documents::{Document, Documents};
use domain::{CollectionId, DocumentId};
use lambda::http::ApiError;

/// The document, if it is in that collection.
pub(crate) async fn find(
    mut documents: Documents<'_>,
    collection_id: CollectionId,
    id: DocumentId,
) -> Result<Document, ApiError> {
    let document = documents.find(id).await?;
    let document = document.filter(|document| document.collection_id == collection_id);
    document.ok_or_else(|| ApiError::not_found("document", id))
}
