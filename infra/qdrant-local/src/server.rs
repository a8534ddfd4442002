//! Running the server until a signal arrives.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use qdrant_client::qdrant::collections_server::CollectionsServer;
use qdrant_client::qdrant::points_server::PointsServer;
use qdrant_client::qdrant::qdrant_server::QdrantServer;
use qdrant_client::qdrant::snapshots_server::SnapshotsServer;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::api::Api;
use crate::config::{Command, Config};
use crate::error::LocalError;
use crate::http;
use crate::snapshot;
use crate::store::Store;

/// How long running calls may take to finish after a signal.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// How long collections may take to flush after that.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the server cannot start or must stop.
#[derive(Debug, Error)]
pub enum ServerError {
    /// Another program uses the port.
    #[error("{0} is in use; stop the other program or choose another address with --grpc")]
    AddressInUse(SocketAddr),
    /// The address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The storage cannot be opened.
    #[error(transparent)]
    Storage(#[from] LocalError),
    /// Signal handlers cannot be installed.
    #[error("cannot wait for signals: {0}")]
    Signal(#[source] std::io::Error),
    /// The gRPC server failed.
    #[error("gRPC server: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// A task panicked.
    #[error("a task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// Runs the command that the command line names. The server stops on SIGTERM or SIGINT, after flushing
/// everything.
pub async fn run(config: Config) -> Result<(), ServerError> {
    match config.command {
        Some(Command::Restore { snapshot, collection }) => {
            restore(config.storage, snapshot, collection).await
        }
        None => serve(config.storage, config.grpc, config.http).await,
    }
}

async fn restore(storage: PathBuf, file: PathBuf, collection: String) -> Result<(), ServerError> {
    let work = move || {
        let store = Store::open(&storage)?;
        let result = snapshot::restore(&store, &file, &collection);
        store.shut_down(FLUSH_TIMEOUT);
        result?;
        tracing::info!(collection.name = collection, "restored");
        Ok::<_, LocalError>(())
    };
    Ok(tokio::task::spawn_blocking(work).await??)
}

async fn serve(
    storage: PathBuf,
    address: SocketAddr,
    http_address: Option<SocketAddr>,
) -> Result<(), ServerError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServerError::Signal)?;
    let listener = bind(address)?;
    let address = listener.local_addr().map_err(listen_error(address))?;
    let http_listener = http_address.map(bind).transpose()?;
    let opened = storage.clone();
    let store = tokio::task::spawn_blocking(move || Store::open(&opened)).await??;
    let store = Arc::new(store);

    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let signalled = async move {
        // An error means that the sender was dropped: stop as well.
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = router(&store).serve_with_incoming_shutdown(incoming, signalled);
    let mut server = tokio::spawn(server);
    if let Some(listener) = http_listener {
        let http_address = listener.local_addr().map_err(listen_error(address))?;
        // Ends with the process: clients notice an aborted transfer.
        tokio::spawn(axum::serve(listener, http::router(Arc::clone(&store))).into_future());
        tracing::info!(url = %format!("http://{http_address}"), "serving snapshots");
    }
    tracing::info!(url = %format!("http://{address}"), storage = %storage.display(), "listening");

    tokio::select! {
        result = &mut server => result??,
        _ = terminate.recv() => tracing::info!("SIGTERM: shutting down"),
        _ = interrupt.recv() => tracing::info!("SIGINT: shutting down"),
    }
    stop.send_replace(true);
    if !server.is_finished() && tokio::time::timeout(CALL_TIMEOUT, &mut server).await.is_err() {
        // Clients keep idle connections open. Acknowledged writes are in the journal.
        tracing::info!("closing connections that are still open");
        server.abort();
    }
    tokio::task::spawn_blocking(move || store.shut_down(FLUSH_TIMEOUT)).await?;
    tracing::info!("stopped");
    Ok(())
}

fn bind(address: SocketAddr) -> Result<tokio::net::TcpListener, ServerError> {
    let listener = TcpListener::bind(address).map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => ServerError::AddressInUse(address),
        _ => ServerError::Listen { address, source },
    })?;
    listener.set_nonblocking(true).map_err(listen_error(address))?;
    tokio::net::TcpListener::from_std(listener).map_err(listen_error(address))
}

fn listen_error(address: SocketAddr) -> impl FnOnce(std::io::Error) -> ServerError {
    move |source| ServerError::Listen { address, source }
}

/// Accepts messages of any size, compressed or not, as a Qdrant server does.
fn router(store: &Arc<Store>) -> tonic::transport::server::Router {
    let api = Api::new(Arc::clone(store));
    Server::builder()
        .add_service(QdrantServer::new(api.clone()))
        .add_service(
            CollectionsServer::new(api.clone())
                .accept_compressed(CompressionEncoding::Gzip)
                .send_compressed(CompressionEncoding::Gzip)
                .max_decoding_message_size(usize::MAX),
        )
        .add_service(
            PointsServer::new(api.clone())
                .accept_compressed(CompressionEncoding::Gzip)
                .send_compressed(CompressionEncoding::Gzip)
                .max_decoding_message_size(usize::MAX),
        )
        .add_service(
            SnapshotsServer::new(api)
                .accept_compressed(CompressionEncoding::Gzip)
                .send_compressed(CompressionEncoding::Gzip),
        )
}
