//! The route that answers with the API's description.

use std::sync::Arc;

use axum::{Extension, Json};
use lambda::http::ApiError;
use serde_json::Value;
use utoipa::openapi::OpenApi;

use crate::openapi;

/// Describe the API
///
/// In OpenAPI 3.1.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "system",
    responses((status = 200, description = "The description.", body = Object)),
)]
pub(crate) async fn describe(Extension(generated): Extension<Arc<OpenApi>>) -> Result<Json<Value>, ApiError> {
    Ok(Json(openapi::complete(&generated)?))
}
