//! Shows a document.

use axum::Json;
use axum::extract::State as Shared;
use domain::{CollectionId, DocumentId};
use lambda::http::{ApiError, ApiPath};

use super::find::find;
use super::response::DocumentResponse;
use crate::State;

/// Show a document
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/documents/{document_id}", tag = "documents",
    params(("collection_id" = Uuid, Path), ("document_id" = Uuid, Path)),
    responses((status = 200, body = DocumentResponse)),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, DocumentId)>,
) -> Result<Json<DocumentResponse>, ApiError> {
    let mut connection = state.db.connection().await?;
    Ok(Json(find(connection.documents(), collection_id, id).await?.into()))
}
