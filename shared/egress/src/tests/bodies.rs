//! Bodies: encodings, sizes and statuses.

use std::io::Write;
use std::time::Duration;

use domain::{Classify, ErrorKind};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::server::{Server, egress_to};
use crate::{EgressError, Response};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// Returns an answer of which `headers` say what follows.
async fn answer(headers: &str, body: &[u8]) -> (Server, Response) {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n", body.len());
    let server = Server::with_answer([head.as_bytes(), body].concat(), true).await;
    let response = egress_to(&[&server]).get(&server.url("/?token=secret")).send().await.unwrap();
    (server, response)
}

#[tokio::test]
async fn gzip_is_unpacked() {
    let plain = "Größe ".repeat(50_000);
    for encoding in ["gzip", "GZIP", "x-gzip"] {
        let (_server, response) =
            answer(&format!("content-encoding: {encoding}\r\n"), &gzip(plain.as_bytes())).await;
        assert_eq!(response.text(1_000_000).await.unwrap(), plain);
    }
    let members = [gzip(b"one "), gzip(b"two")].concat();
    let (_server, response) = answer("content-encoding: gzip\r\n", &members).await;
    assert_eq!(response.text(100).await.unwrap(), "one two");
    let (_server, response) = answer("content-encoding: gzip\r\n", b"").await;
    assert_eq!(response.text(100).await.unwrap(), "");
}

#[tokio::test]
async fn a_compressed_bomb_ends_at_the_limit() {
    // 20 MB in 20 KB.
    let bomb = gzip(&vec![0; 20_000_000]);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", bomb.len());
    let server = Server::with_answer([head.as_bytes(), &bomb].concat(), true).await;
    let mut response = egress_to(&[&server]).get(&server.url("/")).limit(1_000_000).send().await.unwrap();
    let (mut received, mut largest) = (0, 0);
    let error = loop {
        match response.next().await {
            Ok(piece) => {
                let piece = piece.expect("the limit comes before the end");
                received += piece.len();
                largest = largest.max(piece.len());
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(error, EgressError::TooLarge { limit: 1_000_000, .. }), "{error}");
    assert!(received <= 1_000_000 && largest <= 64 * 1024, "{received} bytes, pieces of {largest}");

    let (_server, response) = answer("content-encoding: gzip\r\n", &bomb).await;
    let error = response.bytes(1000).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().ends_with("is larger than 1000 bytes, the limit"), "{error}");

    // A bomb in a bomb is what the server sent: it is unpacked once.
    let (_server, response) = answer("content-encoding: gzip\r\n", &gzip(&bomb)).await;
    assert_eq!(response.bytes(1_000_000).await.unwrap(), bomb);

    // Many members that unpack to nothing, of a server that does not say how many.
    let empty = gzip(b"").repeat(100_000);
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n";
    let server = Server::with_answer([head.as_bytes(), &empty].concat(), true).await;
    let response = egress_to(&[&server]).get(&server.url("/")).send().await.unwrap();
    assert_eq!(response.bytes(1_000_000).await.unwrap_err().kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn damaged_and_unknown_encodings_are_refused() {
    let whole = gzip("text ".repeat(10_000).as_bytes());
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    for body in [&whole[..whole.len() - 1], &whole[..whole.len() / 2], &flipped, b"plain text".as_slice()] {
        let (_server, response) = answer("content-encoding: gzip\r\n", body).await;
        let error = response.bytes(1_000_000).await.unwrap_err();
        assert!(matches!(error, EgressError::InvalidBody { .. }), "{error}");
    }
    let server =
        Server::with_answer("HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 1\r\n\r\na", true)
            .await;
    let error = egress_to(&[&server]).get(&server.url("/")).send().await.unwrap_err();
    assert!(error.to_string().contains("\"br\"; gzip and none are allowed"), "{error}");
}

#[tokio::test]
async fn an_announced_size_is_refused_before_it_is_received() {
    // The server never sends the body: only what it announced can be the reason.
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n";
    let server = Server::with_answer(head, false).await;
    let response = egress_to(&[&server]).get(&server.url("/")).limit(4999).send().await;
    let error = response.unwrap().next().await.unwrap_err();
    assert!(matches!(error, EgressError::TooLarge { limit: 4999, .. }), "{error}");
}

#[tokio::test]
async fn an_endless_body_ends_at_the_limit() {
    let chunks = "400\r\n".to_owned() + &"x".repeat(1024) + "\r\n";
    let body = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", chunks.repeat(1000));
    let server = Server::with_answer(body, false).await;
    let mut response = egress_to(&[&server]).get(&server.url("/")).limit(100_000).send().await.unwrap();
    let mut received = 0;
    let error = loop {
        match response.next().await {
            Ok(piece) => received += piece.unwrap().len(),
            Err(error) => break error,
        }
    };
    assert!(received <= 100_000);
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn exactly_the_limit_is_read() {
    let (_server, response) = answer("", &[b'x'; 5000]).await;
    assert_eq!(response.bytes(5000).await.unwrap().len(), 5000);
    // What cannot be compressed is larger packed than unpacked.
    let noise: Vec<u8> =
        (0..100_000_u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(&noise).unwrap();
    let (_server, response) = answer("content-encoding: gzip\r\n", &encoder.finish().unwrap()).await;
    assert_eq!(response.bytes(100_000).await.unwrap(), noise);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_unavailable() {
    let server = Server::with_answer("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345", true).await;
    let response = egress_to(&[&server]).get(&server.url("/")).send().await.unwrap();
    let error = response.bytes(100).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn text_and_json_are_read() {
    let (_server, response) = answer("", b"\xef\xbb\xbfcaf\xc3\xa9 \xff").await;
    assert_eq!(response.text(100).await.unwrap(), "café \u{fffd}");
    let (_server, response) = answer("", br#"{"a": [1, 2]}"#).await;
    assert_eq!(response.json::<serde_json::Value>(100).await.unwrap(), serde_json::json!({"a": [1, 2]}));
    let (server, response) = answer("", br#"{"token": "secret", 1}"#).await;
    let error = response.json::<serde_json::Value>(100).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the response of {} cannot be read: not the expected JSON at line 1 column 21",
            server.address
        )
    );
}

#[tokio::test]
async fn statuses_become_errors_with_the_time_to_wait() {
    for (status, kind) in [
        ("401 Unauthorized", ErrorKind::Forbidden),
        ("403 Forbidden", ErrorKind::Forbidden),
        ("404 Not Found", ErrorKind::NotFound),
        ("410 Gone", ErrorKind::NotFound),
        ("418 I'm a teapot", ErrorKind::Invalid),
        ("429 Too Many Requests", ErrorKind::Throttled),
        ("500 Internal Server Error", ErrorKind::Unavailable),
        ("503 Service Unavailable", ErrorKind::Unavailable),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n");
        let server = Server::with_answer(answer, true).await;
        let response = egress_to(&[&server]).get(&server.url("/secret?token=secret")).send().await.unwrap();
        assert_eq!(response.retry_after(), Some(Duration::from_secs(7)));
        let error = response.error_for_status().unwrap_err();
        assert_eq!(error.kind(), kind, "{status}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        assert!(error.to_string().ends_with("; it asks to wait 7 s"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
