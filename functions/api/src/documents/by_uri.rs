//! Shows and deletes the document with a URI.

use access::{Caller, Granted};
use axum::Json;
use axum::extract::State as Shared;
use db::documents::{Document, Documents};
use dispatch::lock_collection;
use domain::{
    AccessLevel, CollectionId, DocumentStatus, DocumentUri, UploadStatus, document_id, normal_forms,
};
use http::{HeaderName, HeaderValue, StatusCode};
use lambda::http::{ApiError, ApiQuery, BaseUrl, ClientInfo};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::removal::{self, Removal};
use super::response::DocumentResponse;
use crate::State;
use crate::audit::{self, Change};

/// Which document to show.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DocumentByUriQuery {
    /// Its URI, as it was pushed or as `uri` of the document says.
    #[param(example = "crm://tickets/17")]
    uri: String,
}

/// Which document to delete, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteDocumentByUriQuery {
    /// Its URI, as it was pushed or as `uri` of the document says.
    #[param(example = "crm://tickets/17")]
    uri: String,
    /// Whether to erase the document for good instead of keeping it to be restored; requires admin access.
    #[serde(default)]
    #[param(default = false)]
    purge: bool,
}

/// Show the document with a URI
///
/// A document that was pushed exists when it is staged, some seconds after the push.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/documents/by-uri", operation_id = "getDocumentByUri", tag = "documents",
    params(("collection_id" = Uuid, Path), DocumentByUriQuery),
    responses((status = 200, body = DocumentResponse)),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    Granted(found): Granted,
    ApiQuery(DocumentByUriQuery { uri }): ApiQuery<DocumentByUriQuery>,
    base_url: BaseUrl,
) -> Result<Json<DocumentResponse>, ApiError> {
    let mut connection = state.db.connection().await?;
    let document = find(connection.documents(), found.collection.id, &uri).await?;
    let document = document.ok_or_else(|| not_found(&uri))?;
    let api_url = base_url.configured(state.limits.api_url.as_deref());
    Ok(Json(DocumentResponse::new(document, found.access, &api_url)))
}

/// Delete the document with a URI
///
/// As `DELETE /api/v2/collections/{collection_id}/documents/{document_id}`. A document that was pushed and is still on its
/// way does not arrive.
#[utoipa::path(
    delete, path = "/api/v2/collections/{collection_id}/documents/by-uri", operation_id = "deleteDocumentByUri", tag = "documents",
    params(("collection_id" = Uuid, Path), DeleteDocumentByUriQuery),
    responses(
        (status = 202, description = "The document is being purged.", headers(("Location" = String, description = "The operation that deletes the vectors."))),
        (status = 204, description = "Deleted.", headers(("Location" = String, description = "The operation that deletes the vectors."))),
    ),
)]
pub(crate) async fn delete(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    granted: Granted,
    ApiQuery(DeleteDocumentByUriQuery { uri, purge }): ApiQuery<DeleteDocumentByUriQuery>,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1]), ApiError> {
    if purge {
        granted.require(AccessLevel::Admin)?;
    }
    let collection_id = granted.0.collection.id;
    let mut collection = lock_collection(state.db.begin().await?, collection_id).await?;
    let (mut was_coming, mut running) = (false, Vec::new());
    if let Ok(pushed) = DocumentUri::parse(&uri) {
        let withdrawn = collection.tx().uploads().withdraw_of_document(collection_id, &pushed).await?;
        let (skipped, operations) =
            collection.tx().operation_items().skip_deleted(collection_id, &pushed).await?;
        was_coming = withdrawn > 0 || skipped;
        running = operations;
    }
    let document = find(collection.tx().documents(), collection_id, &uri).await?;
    let to_remove = document.filter(|document| purge || document.status != DocumentStatus::Deleted);
    let answer = match to_remove {
        Some(document) => {
            let removal = Removal { state: &state, actor: caller.actor(), client: &client, purge };
            removal.remove(collection, document).await?
        }
        None if was_coming => {
            let change = Change {
                action: "document_deleted",
                actor: caller.actor(),
                collection: Some((collection_id, &granted.0.collection.name)),
                operation_id: None,
                details: json!({
                    "document_id": document_id(collection_id, &uri), "uri": uri, "status": UploadStatus::Expected,
                }),
            };
            audit::record(collection.tx(), &client, change).await?;
            collection.into_tx().commit().await?;
            (StatusCode::NO_CONTENT, [removal::location(None)])
        }
        None => return Err(not_found(&uri)),
    };
    // What was skipped may have been the last item of its operation.
    for operation_id in running {
        if let Err(error) = dispatch::end_operation(&state.db, &state.queues, operation_id).await {
            // The document is deleted; sweep ends the operation.
            tracing::warn!(operation.id = %operation_id, error = error.chain(), "operation not ended yet");
        }
    }
    Ok(answer)
}

/// Returns the document with this URI, in either normal form: names were not always normalised.
async fn find(
    mut documents: Documents<'_>,
    collection_id: CollectionId,
    uri: &str,
) -> Result<Option<Document>, ApiError> {
    let pushed = DocumentUri::parse(uri).map(|uri| uri.to_string());
    for spelling in normal_forms(&pushed.unwrap_or_else(|_| uri.to_owned())) {
        let found = documents.find(document_id(collection_id, &spelling)).await?;
        if let Some(document) = found.filter(|document| document.collection_id == collection_id) {
            return Ok(Some(document));
        }
    }
    Ok(None)
}

fn not_found(uri: &str) -> ApiError {
    ApiError::not_found("document", format!("{uri:?}"))
}
