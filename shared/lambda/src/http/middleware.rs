//! The middleware of every route: request ids, problem documents, response headers, CORS, panics, access logs.

use std::any::Any;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use domain::ErrorKind;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

use super::caching::Caching;
use super::client::ClientInfo;
use super::config::HttpConfig;
use super::payload::bound_payload;
use super::problem::{ApiError, PendingProblem};
use super::proxies::{TrustedProxies, require_proxy};
use super::received::ReceivedAt;
use crate::metric;
use crate::trace;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Adds request ids, problem documents, security and cache headers, conditional requests, CORS headers, a panic
/// handler, a limit on the size of responses and one log line per request. Refuses what went around the proxies.
pub fn wrap(router: Router, config: &HttpConfig) -> Router {
    router
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(CatchPanicLayer::custom(answer_panic))
        .layer(from_fn(bound_payload))
        .layer(from_fn(refuse_encoded_body))
        .layer(config.cors_origins.layer())
        .layer(Extension(config.cors_origins.clone()))
        .layer(from_fn_with_state(config.proxies.clone(), require_proxy))
        .layer(from_fn_with_state(config.proxies.clone(), observe))
}

async fn observe(State(proxies): State<TrustedProxies>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let (mut parts, body) = request.into_parts();
    // Tests that serve the router set the client themselves; a request cannot set extensions.
    let known = parts.extensions.get::<ClientInfo>().cloned();
    let client = known.unwrap_or_else(|| ClientInfo::from_parts(&parts, &proxies));
    let request_id = client.request_id.clone();
    let method = parts.method.clone();
    // The route's template, not the path: ids in paths would make every line unique.
    let route = parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let path = parts.uri.path().to_owned();
    let caching = Caching::of(&parts);
    parts.extensions.insert(client);
    parts.extensions.insert(ReceivedAt(started));

    let span = tracing::info_span!("request", request.id = request_id, trace.id = trace::of_request(&parts));
    let response = next.run(Request::from_parts(parts, body)).instrument(span.clone()).await;
    let mut response = caching.apply(span.in_scope(|| write_problem(response, &request_id)));
    add_security_headers(response.headers_mut());
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    span.in_scope(|| {
        tracing::info!(
            http.method = %method,
            http.route = route.unwrap_or(path),
            http.status = response.status().as_u16(),
            duration_ms = started.elapsed().as_secs_f64() * 1000.0,
            "request handled"
        );
    });
    metric::flush();
    response
}

fn write_problem(mut response: Response, request_id: &str) -> Response {
    let Some(PendingProblem(carrier)) = response.extensions_mut().remove::<PendingProblem>() else {
        return response;
    };
    let error = carrier.lock().ok().and_then(|mut slot| slot.take());
    let Some(error) = error else {
        return response;
    };
    error.record();
    // Keeps the headers that inner layers added, such as those of CORS.
    let mut answer = error.into_problem_response(request_id);
    for (name, value) in response.headers() {
        if name != header::CONTENT_LENGTH && !answer.headers().contains_key(name) {
            answer.headers_mut().append(name, value.clone());
        }
    }
    answer
}

/// Browsers neither guess the type of a response nor fall back to plain HTTP for a year.
fn add_security_headers(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
}

/// Refuses a compressed request body: handlers would take it for invalid JSON.
async fn refuse_encoded_body(request: Request, next: Next) -> Response {
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    let Some(encoding) = encoding.filter(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
    else {
        return next.run(request).await;
    };
    let got = String::from_utf8_lossy(encoding.as_bytes()).into_owned();
    ApiError::new(
        ErrorKind::Invalid,
        format!("Content-Encoding: unsupported; send the request body uncompressed, got {got:?}"),
    )
    .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    .with_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
    .into_response()
}

async fn no_such_route(request: Request) -> ApiError {
    let (method, path) = (request.method(), request.uri().path());
    ApiError::new(
        ErrorKind::NotFound,
        format!("No such route: {method} {path}; GET /api/openapi.json lists all routes"),
    )
}

async fn no_such_method(request: Request) -> ApiError {
    let (method, path) = (request.method(), request.uri().path());
    ApiError::new(
        ErrorKind::Invalid,
        format!("Method {method} is not allowed for {path}; GET /api/openapi.json lists the allowed ones"),
    )
    .with_status(StatusCode::METHOD_NOT_ALLOWED)
}

fn answer_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown".to_owned());
    tracing::error!(panic = text, "handler panicked");
    ApiError::defect().into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use sha2::Digest;
    use tower::ServiceExt;

    use super::*;

    async fn answer(router: Router, uri: &str) -> (StatusCode, serde_json::Value, http::HeaderMap) {
        let request =
            http::Request::get(uri).header("origin", "https://example.org").body(Body::empty()).unwrap();
        let response = wrap(router, &HttpConfig::default()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (parts.status, serde_json::from_slice(&bytes).unwrap(), parts.headers)
    }

    #[tokio::test]
    async fn unknown_route_answers_with_a_problem_document() {
        let (status, body, headers) = answer(Router::new(), "/nowhere").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(headers[&REQUEST_ID], body["request_id"].as_str().unwrap());
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        insta::assert_json_snapshot!(body, { ".request_id" => "[id]" }, @r#"
        {
          "type": "about:blank",
          "title": "Not Found",
          "status": 404,
          "detail": "No such route: GET /nowhere; GET /api/openapi.json lists all routes",
          "request_id": "[id]"
        }
        "#);
    }

    #[tokio::test]
    async fn every_response_has_security_headers() {
        let router = || Router::new().route("/boom", get(async || -> &'static str { panic!("secret") }));
        for uri in ["/nowhere", "/boom"] {
            let (_, _, headers) = answer(router(), uri).await;
            assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{uri}");
            assert_eq!(headers[header::STRICT_TRANSPORT_SECURITY], "max-age=31536000", "{uri}");
        }
    }

    #[tokio::test]
    async fn a_compressed_request_body_is_refused_with_what_is_accepted() {
        let routes = || Router::new().route("/", axum::routing::post(async || "{}"));
        let router = || wrap(routes(), &HttpConfig::default());
        for (encoding, status) in [("gzip", 415), ("br, gzip", 415), ("identity", 200), ("Identity", 200)] {
            let request = http::Request::post("/").header(header::CONTENT_ENCODING, encoding);
            let response = router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(response.status(), status, "{encoding}");
            if status == 415 {
                assert_eq!(response.headers()[header::ACCEPT_ENCODING], "identity");
                let bytes = response.into_body().collect().await.unwrap().to_bytes();
                let problem: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
                let detail = problem["detail"].as_str().unwrap();
                assert!(detail.contains("send the request body uncompressed, got"), "{detail}");
            }
        }
    }

    #[tokio::test]
    async fn requests_that_went_around_the_proxy_are_refused() {
        let digest = hex::encode(sha2::Sha256::digest("secret of the proxy")).parse().unwrap();
        let proxies = TrustedProxies::new(digest, 1);
        let config = HttpConfig { proxies, ..HttpConfig::default() };
        let client = async |client: ClientInfo, headers: HeaderMap| {
            axum::Json((client.ip_address, headers.contains_key("x-origin-verify")))
        };
        let router = wrap(Router::new().route("/", get(client)), &config);
        let event = |headers: serde_json::Value| {
            let event = serde_json::json!({
                "version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": "",
                "headers": headers, "isBase64Encoded": false,
                "requestContext": {
                    "apiId": "a1b2c3", "stage": "$default", "timeEpoch": 0,
                    "http": { "method": "GET", "path": "/", "sourceIp": "198.51.100.7" },
                },
            });
            crate::http::request_from_event(&event.to_string()).unwrap()
        };
        let forwarded = "192.0.2.1, 203.0.113.9, 198.51.100.7";
        let through = event(serde_json::json!({
            "x-origin-verify": "secret of the proxy", "x-forwarded-for": forwarded,
        }));
        let response = router.clone().oneshot(through).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(bytes, r#"["203.0.113.9",false]"#);
        for headers in [
            serde_json::json!({ "x-forwarded-for": forwarded }),
            serde_json::json!({ "x-forwarded-for": forwarded, "x-origin-verify": "guess" }),
        ] {
            let response = router.clone().oneshot(event(headers)).await.unwrap();
            assert_eq!(response.status(), StatusCode::FORBIDDEN);
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        }
    }

    #[tokio::test]
    async fn panic_answers_500_without_its_message() {
        async fn boom() -> &'static str {
            panic!("secret")
        }
        let (status, body, _) = answer(Router::new().route("/boom", get(boom)), "/boom").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!body.to_string().contains("secret"));
    }
}
