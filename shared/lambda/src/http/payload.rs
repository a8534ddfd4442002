//! The size of a response as Lambda transfers it, and the last guard against one that is too large.
//!
//! A function returns a response as one JSON document of at most 6,291,556 bytes; API Gateway answers 502 for a larger
//! one. In it a text is a JSON string, in which a quotation mark takes two bytes and a control character up to six;
//! any other body is base64.

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::ErrorKind;
use http::{HeaderMap, header};

use super::problem::ApiError;

/// The largest body of a response in the form in which Lambda transfers it: 5.5 MiB, which leaves room for headers.
pub const MAX_PAYLOAD_BYTES: usize = 11 * 512 * 1024;
/// The most bytes that one byte of a body becomes.
const MAX_GROWTH: usize = 6;

/// Media types that `lambda_http` transfers as text.
const TEXT_PREFIXES: [&str; 5] =
    ["text", "application/json", "application/javascript", "application/xml", "application/yaml"];
const TEXT_SUFFIXES: [&str; 3] = ["+xml", "+yaml", "+json"];

/// Returns the bytes that a body with these headers takes in the response of a function.
pub fn payload_bytes(headers: &HeaderMap, body: &[u8]) -> usize {
    if is_transferred_as_text(headers) {
        body.iter().map(|byte| escaped_length(*byte)).sum()
    } else {
        base64_length(body.len())
    }
}

/// Returns the fewest bytes that a body of this size takes, whatever it contains.
pub fn least_payload_bytes(headers: &HeaderMap, size: usize) -> usize {
    if is_transferred_as_text(headers) { size } else { base64_length(size) }
}

/// Returns whether a body with these headers becomes a JSON string, and not base64.
pub fn is_transferred_as_text(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return false;
    }
    let Some(content_type) = headers.get(header::CONTENT_TYPE) else {
        return true;
    };
    let content_type = content_type.to_str().unwrap_or_default();
    let essence = content_type.trim().split(';').next().unwrap_or_default();
    TEXT_PREFIXES.iter().any(|prefix| content_type.starts_with(prefix))
        || TEXT_SUFFIXES.iter().any(|suffix| essence.ends_with(suffix))
}

/// Replaces a response that Lambda cannot transfer by a problem that says so. Routes keep their responses smaller by
/// bounding fields and pages; this is for what they did not foresee.
pub(super) async fn bound_payload(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let most = response.body().size_hint().upper().and_then(|size| usize::try_from(size).ok());
    if most.is_some_and(|size| size <= MAX_PAYLOAD_BYTES / MAX_GROWTH) {
        return response;
    }
    let (parts, body) = response.into_parts();
    // A body is never larger than its payload.
    let size = match to_bytes(body, MAX_PAYLOAD_BYTES).await {
        Ok(body) => {
            let size = payload_bytes(&parts.headers, &body);
            if size <= MAX_PAYLOAD_BYTES {
                return Response::from_parts(parts, Body::from(body));
            }
            size
        }
        Err(_) => most.unwrap_or(MAX_PAYLOAD_BYTES),
    };
    tracing::error!(
        http.status = parts.status.as_u16(),
        size_bytes = size,
        "the response is too large to send"
    );
    too_large().into_response()
}

fn too_large() -> ApiError {
    ApiError::new(
        ErrorKind::TooLarge,
        "The response is larger than 5.5 MiB; request fewer items at a time, for example with a smaller per_page, limit or k",
    )
}

/// The bytes of a byte of UTF-8 in a JSON string as serde_json writes it.
const fn escaped_length(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..0x20 => 6,
        _ => 1,
    }
}

const fn base64_length(size: usize) -> usize {
    size.div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use http::{HeaderValue, StatusCode};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    fn headers(content_type: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))])
    }

    #[test]
    fn a_text_takes_the_bytes_of_its_json_string() {
        let every_character: String = (0..=0x1000).filter_map(char::from_u32).collect();
        for text in ["", "plain", "\"quoted\"\r\n\ta\\b", "🦀\u{7f}\0", every_character.as_str()] {
            let json = serde_json::to_string(text).unwrap();
            for media_type in
                ["text/csv", "application/json", "image/svg+xml", "application/xml; charset=utf-8"]
            {
                assert_eq!(
                    payload_bytes(&headers(media_type), text.as_bytes()),
                    json.len() - 2,
                    "{media_type}"
                );
            }
        }
    }

    #[test]
    fn other_bodies_take_a_third_more() {
        let headers = headers("application/pdf");
        let sizes: Vec<usize> = [0, 1, 2, 3, 4].map(|size| payload_bytes(&headers, &vec![0; size])).to_vec();
        assert_eq!(sizes, [0, 4, 4, 4, 8]);
        assert_eq!(least_payload_bytes(&headers, 4), 8);
    }

    async fn answer(body: String) -> (StatusCode, HeaderMap, usize) {
        let router = Router::new().route("/", get(async move || body.clone()));
        let request =
            http::Request::get("/").header("origin", "https://example.org").body(Body::empty()).unwrap();
        let response =
            super::super::wrap(router, &super::super::HttpConfig::default()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes().len())
    }

    #[tokio::test]
    async fn a_response_that_lambda_cannot_transfer_is_a_problem() {
        for (text, is_sent) in [
            ("a".repeat(MAX_PAYLOAD_BYTES), true),
            ("a".repeat(MAX_PAYLOAD_BYTES + 1), false),
            // 3.9 MB of quotation marks are 7.8 MB of payload.
            ("\"".repeat(3_900_000), false),
            ("\u{1}".repeat(MAX_PAYLOAD_BYTES / 6), true),
            ("\u{1}".repeat(MAX_PAYLOAD_BYTES / 6 + 1), false),
        ] {
            let length = text.len();
            let (status, headers, received) = answer(text).await;
            let expected = if is_sent { StatusCode::OK } else { StatusCode::PAYLOAD_TOO_LARGE };
            assert_eq!(status, expected, "{length} bytes");
            assert_eq!(received == length, is_sent);
            assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
            if !is_sent {
                assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
            }
        }
    }
}
