//! The description for people: a page that draws `/api/openapi.json` and sends requests.
//!
//! Written by hand rather than taken from a package: it loads nothing from elsewhere, so that a strict
//! content security policy holds, and it is a few kilobytes in the function.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use lambda::http::{ApiError, ApiPath};

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const PAGE: &str = include_str!("docs/page.html");
/// What the page loads, with its types.
const PARTS: [(&str, &str, &str); 6] = [
    ("page.js", SCRIPT, include_str!("docs/page.js")),
    ("call.js", SCRIPT, include_str!("docs/call.js")),
    ("schema.js", SCRIPT, include_str!("docs/schema.js")),
    ("dom.js", SCRIPT, include_str!("docs/dom.js")),
    ("page.css", "text/css; charset=utf-8", include_str!("docs/page.css")),
    ("icon.svg", "image/svg+xml", include_str!("docs/icon.svg")),
];

/// Nothing from elsewhere, nothing inline, in no frame: the page holds the caller's token.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Read and try the API
///
/// A page for people; it draws `/api/openapi.json`.
#[utoipa::path(
    get, path = "/api/docs", tag = "system",
    responses((status = 200, description = "The page.", content_type = "text/html", body = String)),
)]
pub(crate) async fn page() -> Response {
    answer(HTML, PAGE)
}

/// A file that the page loads.
pub(crate) async fn part(ApiPath(name): ApiPath<String>) -> Result<Response, ApiError> {
    let found = PARTS.iter().find(|(known, ..)| *known == name);
    let (_, content_type, content) = found.ok_or_else(|| ApiError::not_found("file", &name))?;
    Ok(answer(content_type, content))
}

fn answer(content_type: &'static str, content: &'static str) -> Response {
    let headers: HeaderMap = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // A new version of the function may bring a new page.
        (header::CACHE_CONTROL, "public, max-age=300"),
    ]
    .map(|(name, value)| (name, HeaderValue::from_static(value)))
    .into_iter()
    .collect();
    (headers, content).into_response()
}
