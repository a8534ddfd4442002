//! Time limits, and requests at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use domain::{Classify, ErrorKind};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::sync::Barrier;

use super::server::{Server, config, egress, egress_to, read_head};
use crate::{Egress, EgressError, Method};

const SHORT: Duration = Duration::from_millis(200);

fn timed_out(error: &EgressError) -> (&'static str, Duration) {
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    match error {
        EgressError::TimedOut { what, limit, .. } => (what, *limit),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_left() {
    let server = Server::with_answer("", false).await;
    let error = egress_to(&[&server]).get(&server.url("/")).idle_timeout(SHORT).send().await.unwrap_err();
    assert_eq!(timed_out(&error), ("did not answer", SHORT));
    assert_eq!(error.to_string(), format!("{} did not answer within 0.2 s", server.address));
}

#[tokio::test]
async fn a_body_that_stops_is_left() {
    let server = Server::with_answer("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345", false).await;
    let mut response = egress_to(&[&server]).get(&server.url("/")).idle_timeout(SHORT).send().await.unwrap();
    assert_eq!(response.next().await.unwrap().unwrap(), "12345");
    assert_eq!(timed_out(&response.next().await.unwrap_err()), ("sent nothing", SHORT));
}

#[tokio::test]
async fn a_body_that_trickles_is_left() {
    let server = Server::with_connections(async |mut stream| {
        read_head(&mut stream).await;
        let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while sent.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            sent = stream.write_all(b"x").await;
        }
    })
    .await;
    let started = Instant::now();
    let request = egress_to(&[&server]).get(&server.url("/")).timeout(SHORT);
    let error = request.send().await.unwrap().bytes(1_000_000).await.unwrap_err();
    assert_eq!(timed_out(&error), ("did not complete its response", SHORT));
    assert!(started.elapsed() >= SHORT);
}

#[tokio::test]
async fn redirects_do_not_start_the_clock_again() {
    let server = Server::with_connections(async |mut stream| {
        read_head(&mut stream).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        // The client has gone away at the end of the test.
        let _gone = stream
            .write_all(b"HTTP/1.1 302 Found\r\nlocation: /\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            .await;
    })
    .await;
    let request = egress_to(&[&server]).get(&server.url("/")).timeout(SHORT);
    let error = request.send().await.unwrap_err();
    assert_eq!(timed_out(&error), ("did not complete its response", SHORT));
}

#[tokio::test]
async fn a_handshake_that_hangs_is_left() {
    let server = Server::with_connections(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let mut config = config(&server.address.to_string());
    config.connect_timeout = SHORT;
    let egress = Egress::new(config).unwrap();
    let error = egress.get(&format!("https://{}/", server.address)).send().await.unwrap_err();
    assert_eq!(timed_out(&error), ("did not complete the TLS handshake", SHORT));
    let error = egress.connect_tls("127.0.0.1", server.port()).await.unwrap_err();
    assert_eq!(timed_out(&error), ("did not complete the TLS handshake", SHORT));
}

#[tokio::test]
async fn a_closed_port_is_unavailable() {
    // Bound, so that nobody else gets the port, and not listening.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let egress = egress(&address.to_string());
    let error = egress.get(&format!("http://{address}/")).send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().starts_with(&format!("the connection to {address} failed: ")), "{error}");
}

/// Answers the first request of a connection and closes it at the second one.
async fn tired_server() -> Server {
    Server::with_connections(async |mut stream| {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        read_head(&mut stream).await;
    })
    .await
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let server = tired_server().await;
    let egress = egress_to(&[&server]);
    for _ in 0..3 {
        assert_eq!(egress.get(&server.url("/")).send().await.unwrap().text(10).await.unwrap(), "ok");
    }
    assert_eq!(server.connections(), 3);
    // The server may have done what was asked before it closed the connection.
    let error = egress.request(Method::POST, &server.url("/")).body("once").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(server.connections(), 3);
}

#[tokio::test]
async fn what_is_not_http_is_unavailable() {
    let server = Server::with_answer("220 mail.example ESMTP\r\n", true).await;
    let error = egress_to(&[&server]).get(&server.url("/")).send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_host_gets_four_requests_at_a_time() {
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    // Four requests let each other pass, so more than four would be seen, and fewer would never end.
    let barrier = Arc::new(Barrier::new(4));
    let handler = {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        move || async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            barrier.wait().await;
            running.fetch_sub(1, Ordering::SeqCst);
            "done"
        }
    };
    let server = Server::with_routes(Router::new().route("/", get(handler))).await;
    let egress = egress_to(&[&server]);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let request = egress.get(&server.url("/"));
        tasks.spawn(async move { request.send().await.unwrap().text(100).await.unwrap() });
    }
    assert_eq!(tasks.join_all().await, vec!["done"; 20]);
    assert_eq!(most.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_slot_is_held_until_the_answer_is_read_or_dropped() {
    let server =
        Server::with_answer("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\n1", true).await;
    let mut config = config(&server.address.to_string());
    config.requests_per_host = 1;
    let egress = Egress::new(config).unwrap();
    let first = egress.get(&server.url("/")).send().await.unwrap();
    let second = tokio::spawn(egress.get(&server.url("/")).send());
    tokio::time::sleep(SHORT).await;
    assert!(!second.is_finished());
    drop(first);
    let mut second = second.await.unwrap().unwrap();
    while second.next().await.unwrap().is_some() {}
    // Read to the end, and still there.
    let third = tokio::time::timeout(Duration::from_secs(20), egress.get(&server.url("/")).send()).await;
    assert_eq!(third.expect("the slot of a response that was read is free").unwrap().status(), 200);
    assert_eq!(second.status(), 200);
}
