//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Qdrant's own engine behind Qdrant's own gRPC interface, for one machine.
///
/// Serves what qdrant-client asks of a Qdrant server: collections, points, queries, payload
/// indexes, aliases and snapshots. Calls that it does not serve answer "unimplemented" and name
/// themselves. The log level comes from RUST_LOG, "info" by default.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Config {
    /// Folder that holds everything; made if it does not exist, and never shared
    #[arg(long, value_name = "DIR", global = true, default_value = "qdrant-storage")]
    pub storage: PathBuf,

    /// Address to listen on; port 0 takes a free one and logs it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:6334")]
    pub grpc: SocketAddr,

    /// Address to serve snapshots on, by the routes of Qdrant's HTTP interface; none without it
    #[arg(long, value_name = "ADDRESS")]
    pub http: Option<SocketAddr>,

    /// What to do instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What can be done besides serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new collection of a snapshot file, while no server uses the storage
    Restore {
        /// The snapshot, as Snapshots/Create wrote it below STORAGE/snapshots
        #[arg(long, value_name = "FILE")]
        snapshot: PathBuf,
        /// Name of the new collection
        #[arg(long, value_name = "NAME")]
        collection: String,
    },
}
