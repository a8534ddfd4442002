//! Shows a collection.

use access::Granted;
use axum::extract::State as Shared;
use axum::response::Response;
use lambda::http::ApiError;

use super::response::{CollectionResponse, answer};
use crate::State;

/// Show a collection
///
/// Returns its settings, its status and its counts, and the caller's access to it.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}", operation_id = "getCollection", tag = "collections",
    params(("collection_id" = Uuid, Path)),
    responses((
        status = 200, body = CollectionResponse,
        headers(("ETag" = String, description = "Version of the fields that can be changed, for `If-Match`.")),
    )),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    Granted(found): Granted,
) -> Result<Response, ApiError> {
    let mut connection = state.db.connection().await?;
    let error_counts = connection.collections().error_counts(&[found.collection.id]).await?;
    answer(found, &error_counts)
}
