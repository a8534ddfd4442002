//! The API reference: a page that renders `/api/openapi.json` and sends requests.
//!
//! Written by hand instead of a bundled viewer: it loads no third-party resources, so a strict content
//! security policy applies, and adds only a few kilobytes to the function.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use lambda::http::{ApiError, ApiPath};

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const PAGE: &str = include_str!("docs/page.html");
/// The page's assets: file name, content type, content.
const ASSETS: [(&str, &str, &str); 6] = [
    ("page.js", SCRIPT, include_str!("docs/page.js")),
    ("call.js", SCRIPT, include_str!("docs/call.js")),
    ("schema.js", SCRIPT, include_str!("docs/schema.js")),
    ("dom.js", SCRIPT, include_str!("docs/dom.js")),
    ("page.css", "text/css; charset=utf-8", include_str!("docs/page.css")),
    ("icon.svg", "image/svg+xml", include_str!("docs/icon.svg")),
];

/// The page handles the caller's token: only same-origin resources, no inline scripts, no framing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Open the API reference
///
/// Needs no credentials. An HTML page that renders `/api/openapi.json` and can send requests.
#[utoipa::path(
    get, path = "/api/docs", operation_id = "getApiReference", tag = "system",
    responses((status = 200, description = "The HTML page.", content_type = "text/html", body = String)),
)]
pub(crate) async fn page() -> Response {
    respond(HTML, PAGE)
}

/// Serves an asset of the page.
pub(crate) async fn asset(ApiPath(name): ApiPath<String>) -> Result<Response, ApiError> {
    let found = ASSETS.iter().find(|(known, ..)| *known == name);
    let (_, content_type, content) = found.ok_or_else(|| ApiError::not_found("file", &name))?;
    Ok(respond(content_type, content))
}

fn respond(content_type: &'static str, content: &'static str) -> Response {
    let headers: HeaderMap = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // Short, because a deployment may change the page.
        (header::CACHE_CONTROL, "public, max-age=300"),
    ]
    .map(|(name, value)| (name, HeaderValue::from_static(value)))
    .into_iter()
    .collect();
    (headers, content).into_response()
}
