//! Finds a document in its collection.

use db::documents::{Document, Documents};
use domain::{CollectionId, DocumentId};
use lambda::http::ApiError;

/// Returns the document.
///
/// # Errors
/// Returns 404 if it is not in this collection.
pub(crate) async fn find(
    mut documents: Documents<'_>,
    collection_id: CollectionId,
    id: DocumentId,
) -> Result<Document, ApiError> {
    let document = documents.find(id).await?;
    let document = document.filter(|document| document.collection_id == collection_id);
    document.ok_or_else(|| ApiError::not_found("document", id))
}
