//! HTTP functions: axum routers behind API Gateway, problem documents, one log line a request.

mod client;
mod etag;
mod extract;
mod middleware;
mod problem;
mod received;

use axum::Router;
use axum::body::Body;
use http::Request;

pub use client::ClientInfo;
pub use etag::{ETag, IfMatch};
pub use extract::{ApiJson, ApiOptionalJson, ApiPath, ApiQuery};
pub use middleware::wrap;
pub use problem::{ApiError, FieldError, Problem};
pub use received::ReceivedAt;

/// Decodes an HTTP API event (payload format 2.0) to the request that a router receives, as [`run`] does: for
/// tests with recorded events.
///
/// # Errors
/// Returns an error if the event has another format.
pub fn request_from_event(event: &str) -> Result<Request<Body>, serde_json::Error> {
    Ok(lambda_http::request::from_str(event)?.map(Body::new))
}

/// Serves the router behind API Gateway until the process is stopped.
///
/// # Errors
/// When the runtime's interface cannot be reached.
pub async fn run(router: Router) -> Result<(), lambda_runtime::Error> {
    lambda_http::run(wrap(router)).await
}
