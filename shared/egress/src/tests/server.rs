//! Servers on this machine, and clients that may reach them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::resolver::Resolver;
use crate::tests::resolver_table::ResolverTable;
use crate::{Egress, EgressConfig};

/// A server that ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves the routes of an application.
    pub(crate) async fn with_routes(routes: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, connections: Arc::default(), task }
    }

    /// Hands every connection to a function.
    pub(crate) async fn with_connections<F, R>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream));
            }
        });
        Self { address, connections, task }
    }

    /// Sends the same bytes to every request, then closes the connection, or leaves it open.
    pub(crate) async fn with_answer(answer: impl Into<Vec<u8>>, closes: bool) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::with_connections(move |mut stream| {
            let answer = Arc::clone(&answer);
            async move {
                read_head(&mut stream).await;
                // The client may have gone away: that is what some tests are about.
                let sent = stream.write_all(&answer).await;
                if !closes && sent.is_ok() {
                    std::future::pending::<()>().await;
                }
            }
        })
        .await
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns how many connections were accepted.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads the head of a request; returns what was received.
pub(crate) async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// Returns a configuration that opens the given addresses.
pub(crate) fn config(allow: &str) -> EgressConfig {
    EgressConfig::new(allow.parse().unwrap())
}

/// Returns a client that may reach the given addresses.
pub(crate) fn egress(allow: &str) -> Egress {
    Egress::new(config(allow)).unwrap()
}

/// Returns a client that may reach the given servers.
pub(crate) fn egress_to(servers: &[&Server]) -> Egress {
    egress(&servers.iter().map(|server| server.address.to_string()).collect::<Vec<_>>().join(","))
}

/// Returns a client that resolves names by a table.
pub(crate) fn egress_with_names(allow: &str, table: ResolverTable) -> Egress {
    Egress::with_resolver(config(allow), Resolver::Table(table)).unwrap()
}
