//! What clients and proxies may store of a response, and conditional requests
//! (<https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2>).

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

/// What the caching of a response depends on.
#[derive(Debug)]
pub(super) struct Caching {
    is_safe: bool,
    is_signed_in: bool,
    /// The versions that the client has.
    known: HeaderMap,
}

impl Caching {
    pub(super) fn of(parts: &Parts) -> Self {
        let mut known = HeaderMap::new();
        for value in parts.headers.get_all(header::IF_NONE_MATCH) {
            known.append(header::IF_NONE_MATCH, value.clone());
        }
        Self {
            is_safe: [Method::GET, Method::HEAD].contains(&parts.method),
            is_signed_in: parts.headers.contains_key(header::AUTHORIZATION),
            known,
        }
    }

    /// Adds `Cache-Control` unless the handler did, and answers 304 if the client has this version of a file.
    ///
    /// Not of a resource in JSON: its version is that of the fields that can be changed, for `If-Match`, and others, such as
    /// status and counts, change without it.
    ///
    /// Responses to requests that change something may carry tokens, keys or presigned URLs: no cache stores them.
    /// What a signed-in user reads is stored by that user's client only, and checked before each use.
    pub(super) fn apply(&self, mut response: Response) -> Response {
        let is_error = response.status().is_client_error() || response.status().is_server_error();
        let directives = match (self.is_safe, self.is_signed_in) {
            (false, _) => Some("private, no-store"),
            (true, _) if is_error => Some("private, no-store"),
            (true, true) => Some("private, no-cache"),
            (true, false) => None,
        };
        if let Some(directives) = directives {
            let value = HeaderValue::from_static(directives);
            response.headers_mut().entry(header::CACHE_CONTROL).or_insert(value);
        }
        let is_file = self.is_safe && response.status() == StatusCode::OK && !is_json(response.headers());
        if is_file && self.has(response.headers()) {
            return not_modified(response);
        }
        response
    }

    fn has(&self, headers: &HeaderMap) -> bool {
        let Some(current) = headers.get(header::ETAG).and_then(|value| value.to_str().ok()) else {
            return false;
        };
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let known = self.known.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        known
            .flat_map(|value| value.split(','))
            .any(|tag| tag.trim() == "*" || opaque(tag) == opaque(current))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

/// Removes the content, and the headers that describe it.
fn not_modified(response: Response) -> Response {
    let (parts, _) = response.into_parts();
    let mut answer = (StatusCode::NOT_MODIFIED, Body::empty()).into_response();
    *answer.headers_mut() = parts.headers;
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_DISPOSITION] {
        answer.headers_mut().remove(name);
    }
    answer
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn apply(method: Method, headers: &[(&str, &str)], response: Response) -> Response {
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Caching::of(&request.body(()).unwrap().into_parts().0).apply(response)
    }

    fn versioned() -> Response {
        ([(header::ETAG, "\"v1\""), (header::CONTENT_TYPE, "text/plain")], "text").into_response()
    }

    #[test]
    fn only_the_signed_in_client_stores_what_it_reads_and_nobody_what_a_change_answers() {
        let token = [("authorization", "Bearer x")];
        for (method, headers, status, expected) in [
            (Method::GET, &token[..], StatusCode::OK, Some("private, no-cache")),
            (Method::POST, &token[..], StatusCode::CREATED, Some("private, no-store")),
            (Method::POST, &[], StatusCode::OK, Some("private, no-store")),
            (Method::GET, &[], StatusCode::NOT_FOUND, Some("private, no-store")),
            (Method::GET, &[], StatusCode::OK, None),
        ] {
            let response = apply(method.clone(), headers, status.into_response());
            let got = response.headers().get(header::CACHE_CONTROL).map(|value| value.to_str().unwrap());
            assert_eq!(got, expected, "{method} {status}");
        }
        let own = ([(header::CACHE_CONTROL, "public, max-age=60")], "").into_response();
        let response = apply(Method::GET, &token, own);
        assert_eq!(response.headers()[header::CACHE_CONTROL], "public, max-age=60");
    }

    #[test]
    fn a_known_version_is_not_sent_again() {
        for (known, status) in
            [("\"v1\"", 304), ("\"v0\", W/\"v1\"", 304), ("*", 304), ("\"v0\"", 200), ("v1", 200)]
        {
            let response = apply(Method::GET, &[("if-none-match", known)], versioned());
            assert_eq!(response.status(), status, "{known}");
            assert_eq!(response.headers()[header::ETAG], "\"v1\"");
            assert_eq!(response.headers().contains_key(header::CONTENT_TYPE), status == 200);
        }
        let changed = apply(Method::PUT, &[("if-none-match", "\"v1\"")], versioned());
        assert_eq!(changed.status(), 200);
        let resource = ([(header::ETAG, "\"v1\""), (header::CONTENT_TYPE, "application/json")], "{}");
        let resource = apply(Method::GET, &[("if-none-match", "\"v1\"")], resource.into_response());
        assert_eq!(resource.status(), 200, "fields change that the version does not name");
    }
}
