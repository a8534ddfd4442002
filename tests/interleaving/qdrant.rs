//! Qdrant's engine in process, behind a proxy that counts the calls.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use qdrant_local::Config;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tower::{Service, ServiceExt};
use vectors::{VectorDatabase, VectorsConfig};

use crate::life::Life;

/// Starts the engine and the proxy; returns a client of the proxy.
pub(crate) async fn start(life: Arc<Life>, storage: &Path) -> VectorDatabase {
    // Free a moment ago: no other process of the test takes ports.
    let grpc = listen().local_addr().unwrap();
    let config = Config { storage: storage.to_owned(), grpc, http: None, command: None };
    tokio::spawn(async move { qdrant_local::run(config).await.unwrap() });
    let engine = Endpoint::from_shared(format!("http://{grpc}")).unwrap().connect_lazy();
    let proxy = serve_proxy(life, engine);
    let vectors = VectorDatabase::connect(&VectorsConfig::new(&format!("http://{proxy}"))).unwrap();
    let started = Instant::now();
    while let Err(error) = vectors.health().await {
        assert!(started.elapsed() < Duration::from_secs(30), "the engine does not start: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    vectors
}

/// Serves every gRPC call by forwarding it.
fn serve_proxy(life: Arc<Life>, engine: Channel) -> SocketAddr {
    let forward = move |request: Request| {
        let (life, mut engine) = (Arc::clone(&life), engine.clone());
        life.serve(async move {
            let request = request.map(Body::new);
            let response = match engine.ready().await {
                Ok(engine) => engine.call(request).await,
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
    tokio::spawn(async move { server.serve_with_incoming(incoming.with_nodelay(Some(true))).await.unwrap() });
    address
}

fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}
