//! Names documents that have not changed.

use access::Granted;
use axum::Json;
use axum::extract::State as Shared;
use domain::{CollectionId, ErrorKind, PushRunId, PushSource};
use lambda::http::{ApiError, ApiJson, ApiPath, FieldErrors};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::response::find;
use crate::State;
use crate::documents::pushed;

/// The most documents in one request.
const MAX_URIS: usize = 1000;

/// Documents that the source still has.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({ "uris": ["crm://tickets/17", "crm://tickets/18"] }))]
pub(crate) struct SeenDocumentsRequest {
    /// URIs of documents that are not to be pushed again, 1 to 1000.
    #[schema(min_items = 1, max_items = 1000)]
    uris: Vec<String>,
}

/// What the collection knows of the documents.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SeenDocumentsResponse {
    /// URIs of documents that the source does not have here: push them.
    unknown: Vec<String>,
}

/// Name documents that have not changed
///
/// They count as named by the run, as if they were pushed again. The response lists those that the collection does not have
/// from this source, because they were never pushed or were deleted since: push them.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/push-runs/{push_run_id}/seen", operation_id = "nameUnchangedDocuments", tag = "push-runs",
    params(("collection_id" = Uuid, Path), ("push_run_id" = Uuid, Path)), request_body = SeenDocumentsRequest,
    responses((status = 200, body = SeenDocumentsResponse)),
)]
pub(crate) async fn seen(
    Shared(state): Shared<State>,
    Granted(found): Granted,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, PushRunId)>,
    ApiJson(request): ApiJson<SeenDocumentsRequest>,
) -> Result<Json<SeenDocumentsResponse>, ApiError> {
    let mut errors = FieldErrors::default();
    errors.count("uris", request.uris.len(), 1..=MAX_URIS);
    let mut uris = Vec::with_capacity(request.uris.len());
    for (position, uri) in request.uris.iter().enumerate() {
        if errors.is_full() {
            break;
        }
        let uri = pushed::check_uri(&mut errors, &format!("uris[{position}]"), uri);
        uris.extend(uri.map(|uri| uri.to_string()));
    }
    errors.finish()?;
    let mut tx = state.db.begin().await?;
    let run = find(tx.push_runs(), found.collection.id, id).await?;
    let source = PushSource::of_path(&run.source_path);
    let open = match &source {
        Some(source) => tx.push_runs().hold_open(collection_id, source).await?,
        None => None,
    };
    if open != Some(id) {
        return Err(ApiError::new(
            ErrorKind::Conflict,
            format!("the run {id} is {}; begin another one", run.status),
        ));
    }
    tx.push_runs().name(id, &uris).await?;
    let unknown = tx.push_runs().mark_seen(&run, &uris).await?;
    tx.commit().await?;
    Ok(Json(SeenDocumentsResponse { unknown }))
}
