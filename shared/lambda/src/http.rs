//! HTTP functions: axum routers behind API Gateway, problem documents, one log line a request.

mod client;
mod etag;
mod extract;
mod middleware;
mod problem;
mod received;

use axum::Router;

pub use client::ClientInfo;
pub use etag::{ETag, IfMatch};
pub use extract::{ApiJson, ApiOptionalJson, ApiPath, ApiQuery};
pub use middleware::wrap;
pub use problem::{ApiError, FieldError, Problem};
pub use received::ReceivedAt;

/// Serves the router behind API Gateway until the process is stopped.
///
/// # Errors
/// When the runtime's interface cannot be reached.
pub async fn run(router: Router) -> Result<(), lambda_runtime::Error> {
    lambda_http::run(wrap(router)).await
}
