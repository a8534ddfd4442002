//! Cross-origin requests: whose pages may call the API.

use std::str::FromStr;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Uri, header};
use thiserror::Error;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// The origins whose pages browsers let call the API.
///
/// Callers authenticate by a header, never by a cookie, so responses never allow credentials, and any origin is a safe
/// default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CorsOrigins {
    /// Every origin, `*`.
    #[default]
    Any,
    /// Only these.
    Listed(Vec<HeaderValue>),
}

/// An origin that no browser would send.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "{0:?} is not an origin; * alone, or scheme://host[:port] without a path, separated by commas, are allowed"
)]
pub struct InvalidOrigin(String);

impl FromStr for CorsOrigins {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        if text.trim() == "*" {
            return Ok(Self::Any);
        }
        text.split(',').map(|entry| origin(entry.trim())).collect::<Result<_, _>>().map(Self::Listed)
    }
}

/// Browsers compare origins as text, in the form that they send: lower case, no default port, no trailing slash.
fn origin(text: &str) -> Result<HeaderValue, InvalidOrigin> {
    let invalid = || InvalidOrigin(text.to_owned());
    let uri: Uri = text.parse().map_err(|_| invalid())?;
    let default_port = match uri.scheme_str() {
        Some("https") => 443,
        Some("http") => 80,
        _ => return Err(invalid()),
    };
    let host = uri.host().filter(|host| !host.contains('*')).ok_or_else(invalid)?;
    let port = uri.port_u16().filter(|port| *port != default_port);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let sent = format!("{}://{host}{port}", uri.scheme_str().unwrap_or_default()).to_ascii_lowercase();
    // Also refuses user names, ports that are none, paths and queries.
    if !text.eq_ignore_ascii_case(&sent) && !text.eq_ignore_ascii_case(&format!("{sent}:{default_port}")) {
        return Err(invalid());
    }
    HeaderValue::try_from(sent).map_err(|_| invalid())
}

impl CorsOrigins {
    /// Returns whether pages of this origin, as browsers send it, may call the API.
    pub fn allow(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(origins) => origins.contains(origin),
        }
    }

    /// Answers preflight requests of every route, and adds the headers that let pages read the responses.
    pub(crate) fn layer(&self) -> CorsLayer {
        let origins = match self {
            Self::Any => AllowOrigin::any(),
            Self::Listed(origins) => AllowOrigin::list(origins.iter().cloned()),
        };
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::IF_MATCH,
                header::IF_NONE_MATCH,
                HeaderName::from_static("idempotency-key"),
                HeaderName::from_static("mcp-protocol-version"),
                HeaderName::from_static("mcp-method"),
                HeaderName::from_static("mcp-name"),
            ])
            .expose_headers([
                HeaderName::from_static("x-request-id"),
                header::ETAG,
                header::RETRY_AFTER,
                header::LOCATION,
                HeaderName::from_static("x-total-count"),
                HeaderName::from_static("idempotency-replayed"),
                HeaderName::from_static("ratelimit"),
                HeaderName::from_static("ratelimit-policy"),
            ])
            .max_age(Duration::from_secs(3600))
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use http::{HeaderMap, Request, StatusCode};
    use tower::ServiceExt;

    use super::*;

    async fn headers(origins: &str, request: http::request::Builder) -> HeaderMap {
        let origins: CorsOrigins = origins.parse().unwrap();
        let router = Router::new().route("/", get(async || "")).layer(origins.layer());
        let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.into_parts().0.headers
    }

    fn preflight(origin: &str) -> http::request::Builder {
        let request = Request::options("/").header("origin", origin);
        request.header("access-control-request-method", "GET")
    }

    #[test]
    fn origins_are_read_in_the_form_that_browsers_send() {
        let listed = |text: &str| match text.parse().unwrap() {
            CorsOrigins::Any => vec!["*".to_owned()],
            CorsOrigins::Listed(origins) => {
                origins.iter().map(|origin| origin.to_str().unwrap().to_owned()).collect()
            }
        };
        assert_eq!(listed(" * "), ["*"]);
        assert_eq!(
            listed("https://App.example.org, http://localhost:5173"),
            ["https://app.example.org", "http://localhost:5173"]
        );
        assert_eq!(
            listed("https://app.example.org:443,http://[::1]:8080"),
            ["https://app.example.org", "http://[::1]:8080"]
        );
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "app.example.org",
            "https://app.example.org/",
            "https://app.example.org/path",
            "https://user@app.example.org",
            "https://*.example.org",
            "*,https://app.example.org",
            "https://app.example.org,",
            "https://app.example.org:",
            "ftp://app.example.org",
            "null",
        ] {
            let refused = text.parse::<CorsOrigins>().unwrap_err().to_string();
            assert!(refused.contains("scheme://host[:port] without a path"), "{text}: {refused}");
        }
    }

    #[tokio::test]
    async fn only_listed_origins_are_allowed_and_none_gets_credentials() {
        let listed = "https://app.example.org,https://admin.example.org";
        for (origins, origin, allowed) in [
            (listed, "https://app.example.org", Some("https://app.example.org")),
            (listed, "https://admin.example.org", Some("https://admin.example.org")),
            (listed, "https://app.example.org.evil.example", None),
            (listed, "http://app.example.org", None),
            (listed, "null", None),
            ("*", "https://anything.example", Some("*")),
        ] {
            for request in [preflight(origin), Request::get("/").header("origin", origin)] {
                let headers = headers(origins, request).await;
                let got = headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
                assert_eq!(got.map(|value| value.to_str().unwrap()), allowed, "{origin}");
                assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
                // Caches must not serve the response for one origin to another.
                let vary = headers.get_all(header::VARY).iter().map(|value| value.to_str().unwrap());
                let varies = vary.flat_map(|names| names.split(',')).any(|name| name.trim() == "origin");
                assert_eq!(varies, origins != "*", "{origin}");
            }
        }
    }
}
