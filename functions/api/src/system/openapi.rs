//! Serving the OpenAPI document.

use std::sync::Arc;

use axum::{Extension, Json};
use lambda::http::ApiError;
use serde_json::Value;
use utoipa::openapi::OpenApi;

use crate::openapi;

/// Get the OpenAPI document
///
/// Needs no credentials. OpenAPI 3.1, generated from the code; covers the search function, too.
#[utoipa::path(
    get, path = "/api/openapi.json", operation_id = "getOpenApiDocument", tag = "system",
    responses((status = 200, description = "The OpenAPI document.", body = Object)),
)]
pub(crate) async fn describe(Extension(generated): Extension<Arc<OpenApi>>) -> Result<Json<Value>, ApiError> {
    Ok(Json(openapi::complete(&generated)?))
}
