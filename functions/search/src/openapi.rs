//! The search routes' part of the API description.

use utoipa::openapi::OpenApi;

/// The description of this function's routes, generated from the handlers.
pub fn openapi() -> OpenApi {
    crate::router::routes().to_openapi()
}
