//! Shows a document.

use access::Granted;
use axum::Json;
use axum::extract::State as Shared;
use domain::{AccessLevel, CollectionId, DocumentId, DocumentStatus};
use lambda::http::{ApiError, ApiPath, BaseUrl};

use super::find::find;
use super::response::DocumentResponse;
use crate::State;

/// Show a document
///
/// A deleted document is shown to callers with write access only.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/documents/{document_id}", operation_id = "getDocument", tag = "documents",
    params(("collection_id" = Uuid, Path), ("document_id" = Uuid, Path)),
    responses((status = 200, body = DocumentResponse)),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    Granted(found): Granted,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, DocumentId)>,
    base_url: BaseUrl,
) -> Result<Json<DocumentResponse>, ApiError> {
    let mut connection = state.db.connection().await?;
    let document = find(connection.documents(), collection_id, id).await?;
    if document.status == DocumentStatus::Deleted && found.access < AccessLevel::Write {
        return Err(ApiError::not_found("document", id));
    }
    let api_url = base_url.configured(state.limits.api_url.as_deref());
    Ok(Json(DocumentResponse::new(document, found.access, &api_url)))
}
