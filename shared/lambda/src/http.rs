//! HTTP functions: axum routers behind API Gateway, validation, problem documents, access logs.

mod base_url;
mod caching;
mod client;
mod config;
mod cors;
mod etag;
mod extract;
mod field_errors;
mod fields;
mod middleware;
mod payload;
mod problem;
mod proxies;
mod query;
mod received;
mod request_site;

use axum::Router;
use axum::body::Body;
use http::Request;

pub use base_url::BaseUrl;
pub use client::ClientInfo;
pub use config::HttpConfig;
pub use cors::{CorsOrigins, InvalidOrigin};
pub use etag::{ETag, IfMatch};
pub use extract::{ApiJson, ApiOptionalJson, ApiPath, MAX_BODY_BYTES, read_object};
pub use field_errors::FieldErrors;
pub use middleware::wrap;
pub use payload::{MAX_PAYLOAD_BYTES, is_transferred_as_text, least_payload_bytes, payload_bytes};
pub use problem::{ApiError, FieldError, Problem};
pub use proxies::{InvalidDigest, OriginVerifyDigests, TrustedProxies};
pub use query::{ApiQuery, ListQuery, OffsetPage, Page, Paging, non_empty, refuse_unknown};
pub use received::ReceivedAt;
pub use request_site::RequestSite;

/// Decodes an HTTP API event (payload format 2.0) to the request that a router receives, as [`run`] does: for
/// tests with recorded events.
///
/// # Errors
/// Returns an error if the event has another format.
pub fn request_from_event(event: &str) -> Result<Request<Body>, serde_json::Error> {
    Ok(lambda_http::request::from_str(event)?.map(Body::new))
}

/// Serves the router behind API Gateway, as [`HttpConfig`] says, until the process is stopped.
///
/// # Errors
/// Names the variable that is invalid. Returns an error if the Lambda runtime API is unreachable.
pub async fn run(router: Router) -> Result<(), lambda_runtime::Error> {
    lambda_http::run(wrap(router, &HttpConfig::from_env()?)).await
}
