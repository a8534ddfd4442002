//! Redirects: where they may lead, and what they may carry.

use axum::Router;
use axum::extract::{Query, Request};
use axum::http::StatusCode;
use axum::routing::any;
use domain::{Classify, ErrorKind};
use serde::Deserialize;

use super::resolver_table::ResolverTable;
use super::server::{Server, config, egress, egress_to, egress_with_names};
use crate::resolver::Resolver;
use crate::{Egress, EgressError, Method, Redirects};

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

#[derive(Deserialize)]
struct Go {
    status: u16,
    to: String,
}

/// Answers `/go` with a redirect and everything else with what it received.
async fn redirecting_server() -> Server {
    let go = async |Query(Go { status, to }): Query<Go>| {
        (StatusCode::from_u16(status).unwrap(), [("location", to)])
    };
    let echo = async |request: Request| {
        let mut lines = vec![format!("{} {}", request.method(), request.uri())];
        lines.extend(
            request.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())),
        );
        let body = axum::body::to_bytes(request.into_body(), 1000).await.unwrap();
        lines.push(format!("body: {}", String::from_utf8_lossy(&body)));
        lines.join("\n")
    };
    Server::with_routes(Router::new().route("/go", any(go)).fallback(echo)).await
}

fn go(server: &Server, status: u16, to: &str) -> String {
    let mut url = crate::Url::parse(&server.url("/go")).unwrap();
    url.query_pairs_mut().append_pair("status", &status.to_string()).append_pair("to", to);
    url.into()
}

#[tokio::test]
async fn redirects_to_addresses_that_are_not_public_are_refused() {
    let server = redirecting_server().await;
    let closed = Server::with_answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false).await;
    let table = || {
        ResolverTable::default()
            .answer("internal.example", &["10.0.0.1"])
            .answer("mixed.example", &["93.184.215.14", "127.0.0.1"])
    };
    let port = closed.port();
    let targets = [
        closed.url("/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("//127.1:{port}/"),
        format!("//①②⑦.⓪.⓪.①:{port}/"),
        format!("\\\\127.0.0.1:{port}\\"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[fd00:ec2::254]/".to_owned(),
        "http://[64:ff9b::7f00:1]/".to_owned(),
        "http://internal.example/".to_owned(),
        "http://mixed.example/".to_owned(),
        "ftp://example.com/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "gopher://127.0.0.1:6379/_INFO".to_owned(),
        "http://user:hunter2@example.com/".to_owned(),
        "http://".to_owned(),
        "http://127.0.0.256/".to_owned(),
    ];
    let mut refused = 0;
    for status in STATUSES {
        for target in &targets {
            let egress = egress_with_names(&server.address.to_string(), table());
            for method in [Method::GET, Method::HEAD, Method::POST] {
                // The second one is refused after a redirect that is allowed.
                for url in [go(&server, status, target), go(&server, 302, &go(&server, status, target))] {
                    let error = egress.request(method.clone(), &url).send().await.expect_err(target);
                    assert!(
                        matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::Invalid),
                        "{status} {target}: {error}"
                    );
                    assert!(!error.to_string().contains("hunter2"), "{error}");
                    refused += 1;
                }
            }
        }
    }
    assert_eq!(closed.connections(), 0);
    println!("{refused} redirects refused");
}

#[tokio::test]
async fn a_redirect_to_a_name_that_has_moved_is_refused() {
    let server = redirecting_server().await;
    let table =
        ResolverTable::default().answer("site.example", &["127.0.0.1"]).answer("site.example", &["10.0.0.1"]);
    let egress = Egress::with_resolver(config(&server.address.to_string()), Resolver::Table(table)).unwrap();
    // Another spelling of the origin, so that no open connection is used.
    let to = format!("http://site.example.:{}/", server.port());
    let url = go(&server, 302, &to).replace("127.0.0.1", "site.example");
    let error = egress.get(&url).send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden, "{error}");
}

#[tokio::test]
async fn redirects_are_followed_relative_to_where_they_are() {
    let server = redirecting_server().await;
    let egress = egress_to(&[&server]);
    let response = egress.get(&go(&server, 301, "/docs/../guide?page=2#top")).send().await.unwrap();
    assert_eq!(response.url().as_str(), server.url("/guide?page=2#top"));
    assert!(response.text(10_000).await.unwrap().starts_with("GET /guide?page=2\n"));
}

#[tokio::test]
async fn at_most_the_allowed_number_of_redirects_is_followed() {
    let server = redirecting_server().await;
    let egress = egress_to(&[&server]);
    let chain = |length: usize| (0..length).fold("/end".to_owned(), |to, _| go(&server, 302, &to));
    let ends = egress.get(&chain(3)).redirects(Redirects::Follow(3)).send().await.unwrap();
    assert_eq!(ends.url().path(), "/end");
    let error = egress.get(&chain(4)).redirects(Redirects::Follow(3)).send().await.unwrap_err();
    assert!(matches!(error, EgressError::TooManyRedirects { limit: 3, .. }), "{error}");
    let loops = Server::with_answer(
        "HTTP/1.1 302 Found\r\nlocation: /\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        true,
    )
    .await;
    let error = egress_to(&[&loops]).get(&loops.url("/")).send().await.unwrap_err();
    assert!(matches!(error, EgressError::TooManyRedirects { limit: 10, .. }), "{error}");
    assert_eq!(loops.connections(), 11);
}

#[tokio::test]
async fn redirects_are_returned_on_request_and_without_a_location() {
    let server = redirecting_server().await;
    let egress = egress_to(&[&server]);
    let url = go(&server, 301, "http://169.254.169.254/");
    let response = egress.get(&url).redirects(Redirects::Return).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.header("location")),
        (301, Some("http://169.254.169.254/"))
    );
    assert_eq!(response.url().as_str(), url);
    for status in ["300 Multiple Choices", "304 Not Modified", "302 Found"] {
        let location = if status.starts_with("302") { "" } else { "location: /\r\n" };
        let answer = format!("HTTP/1.1 {status}\r\n{location}content-length: 0\r\n\r\n");
        let server = Server::with_answer(answer, true).await;
        let response = egress_to(&[&server]).get(&server.url("/")).send().await.unwrap();
        assert!(status.starts_with(response.status().as_str()));
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test]
async fn methods_and_bodies_change_as_in_browsers() {
    let server = redirecting_server().await;
    let egress = egress_to(&[&server]);
    for (status, method, expected) in [
        (301, Method::POST, "GET"),
        (302, Method::POST, "GET"),
        (303, Method::POST, "GET"),
        (303, Method::PUT, "GET"),
        (307, Method::POST, "POST"),
        (308, Method::POST, "POST"),
        (301, Method::PUT, "PUT"),
    ] {
        let request = egress.request(method, &go(&server, status, "/end")).json(&serde_json::json!({"a": 1}));
        let echo = request.send().await.unwrap().text(10_000).await.unwrap();
        assert!(echo.starts_with(&format!("{expected} /end\n")), "{status}: {echo}");
        let has_body = expected != "GET";
        assert_eq!(echo.contains("content-type: application/json"), has_body, "{status}: {echo}");
        assert_eq!(echo.contains(r#"body: {"a":1}"#), has_body, "{status}: {echo}");
    }
}

#[tokio::test]
async fn only_headers_for_any_server_go_to_another_one() {
    let (first, second) = (redirecting_server().await, redirecting_server().await);
    let egress = egress_to(&[&first, &second]);
    let echo = async |to: &str| {
        let request = egress
            .get(&go(&first, 302, to))
            .bearer(&"secret-token".into())
            .secret_header("x-api-key", &"secret-key".into())
            .header("cookie", "session=secret")
            .header("x-forgotten-token", "secret")
            .header("if-none-match", "\"1\"")
            .header("accept", "text/html");
        request.send().await.unwrap().text(10_000).await.unwrap()
    };
    let same = echo("/end").await;
    for kept in [
        "authorization: Bearer secret-token",
        "x-api-key: secret-key",
        "cookie:",
        "x-forgotten-token:",
        "accept: text/html",
    ] {
        assert!(same.contains(kept), "{kept}: {same}");
    }
    let other = echo(&second.url("/end")).await;
    assert!(!other.contains("secret"), "{other}");
    for kept in [
        "if-none-match: \"1\"",
        "accept: text/html",
        &format!("user-agent: {}", crate::USER_AGENT),
        "accept-encoding: gzip",
    ] {
        assert!(other.contains(kept), "{kept}: {other}");
    }
    // Nor do they come back on the way back.
    let back = echo(&go(&second, 302, &first.url("/end"))).await;
    assert!(!back.contains("secret"), "{back}");
}

#[tokio::test]
async fn no_body_goes_to_another_server() {
    let (first, second) = (redirecting_server().await, redirecting_server().await);
    let egress = egress_to(&[&first, &second]);
    for status in [307, 308] {
        let request = egress.request(Method::POST, &go(&first, status, &second.url("/end"))).body("secret");
        let error = request.send().await.unwrap_err();
        assert!(matches!(error, EgressError::InvalidRedirect { .. }), "{error}");
    }
}

#[tokio::test]
async fn secrets_are_not_printed() {
    let egress = egress("");
    let request = egress
        .get("http://127.0.0.1/secret-path?token=secret")
        .bearer(&"secret".into())
        .basic("grace", &"secret".into())
        .secret_header("x-api-key", &"secret".into());
    let error = request.send().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    let error =
        egress.get("http://example.com/").secret_header("x", &"secret\n".into()).send().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let error =
        egress.get("http://example.com/").header("host", "internal.example").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}
