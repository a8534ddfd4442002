//! Qdrant's engine in process, and for each process of a stage a proxy that counts its calls.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use qdrant_local::Config;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tower::{Service, ServiceExt};
use uuid::Uuid;
use vectors::{VectorDatabase, VectorsConfig};

use crate::life::Life;

/// The engine.
#[derive(Debug)]
pub(crate) struct Engine {
    channel: Channel,
    /// A client whose calls are not counted.
    pub(crate) vectors: VectorDatabase,
}

/// A connection of one process to the engine. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) vectors: VectorDatabase,
    server: JoinHandle<()>,
}

impl Engine {
    pub(crate) async fn start(storage: &Path) -> Self {
        // The port is free, and no other test takes it meanwhile: each has a loopback address of its own.
        let [a, b, c, ..] = *Uuid::new_v4().as_bytes();
        let address = Ipv4Addr::new(127, a, b, c.clamp(1, 254));
        let grpc = TcpListener::bind((address, 0)).unwrap().local_addr().unwrap();
        let config = Config { storage: storage.to_owned(), grpc, http: None, command: None };
        tokio::spawn(async move { qdrant_local::run(config).await.unwrap() });
        let vectors = connect(grpc);
        let started = Instant::now();
        while let Err(error) = vectors.health().await {
            assert!(started.elapsed() < Duration::from_secs(30), "the engine does not start: {error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self { channel: Endpoint::from_shared(format!("http://{grpc}")).unwrap().connect_lazy(), vectors }
    }

    /// Starts a proxy for a process, which forwards every gRPC call.
    pub(crate) fn connect(&self, life: &Arc<Life>) -> Proxy {
        let (life, channel) = (Arc::clone(life), self.channel.clone());
        let forward = move |request: Request| {
            let (life, mut channel) = (Arc::clone(&life), channel.clone());
            life.serve(async move {
                let request = request.map(Body::new);
                let response = match channel.ready().await {
                    Ok(channel) => channel.call(request).await,
                    Err(error) => Err(error),
                };
                response.unwrap_or_else(|error| tonic::Status::unavailable(error.to_string()).into_http())
            })
        };
        let listener = listen();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let incoming = TcpIncoming::from(tokio::net::TcpListener::from_std(listener).unwrap());
        let routes = Routes::from(axum::Router::new().fallback(forward));
        let server = Server::builder().add_routes(routes);
        let server = tokio::spawn(async move {
            server.serve_with_incoming(incoming.with_nodelay(Some(true))).await.unwrap();
        });
        Proxy { vectors: connect(address), server }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn connect(address: SocketAddr) -> VectorDatabase {
    VectorDatabase::connect(&VectorsConfig::new(&format!("http://{address}"))).unwrap()
}

fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}
