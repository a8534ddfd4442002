//! Command line arguments.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Qdrant's own engine behind Qdrant's gRPC API, for one machine.
///
/// Supports collections, points, queries, payload indexes, aliases and snapshots. Other calls return
/// "unimplemented" and name themselves. RUST_LOG sets the log level, "info" by default.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Config {
    /// Storage directory, created if missing; only one process can use it
    #[arg(long, value_name = "DIR", global = true, default_value = "qdrant-storage")]
    pub storage: PathBuf,

    /// Address of the gRPC API; with port 0 a free port is chosen and logged
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:6334")]
    pub grpc: SocketAddr,

    /// Address of the HTTP API for snapshots; disabled by default
    #[arg(long, value_name = "ADDRESS")]
    pub http: Option<SocketAddr>,

    /// Command to run instead of the server
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Commands other than running the server.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a collection from a snapshot file, while no server uses the storage
    Restore {
        /// Snapshot file, as written by Snapshots/Create to STORAGE/snapshots
        #[arg(long, value_name = "FILE")]
        snapshot: PathBuf,
        /// Name of the new collection
        #[arg(long, value_name = "NAME")]
        collection: String,
    },
}
