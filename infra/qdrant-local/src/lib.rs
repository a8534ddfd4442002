//! Qdrant's own engine (the crate `qdrant-edge`), in process, behind the gRPC services that `qdrant-client`
//! defines: a replacement of the Qdrant server for development machines.
//!
//! - *Compatible*: for the supported calls, responses equal those of a Qdrant server, including error codes and
//!   messages. Other calls return `unimplemented` and name themselves. Request fields without meaning in a
//!   single process (consistency, ordering, timeouts) are ignored; unsupported fields that would change the
//!   result are rejected.
//! - *Durable*: an acknowledged write survives a crash of the process, see `journal.rs`.
//! - *Indexed*: HNSW graphs and quantized vectors are built in the background, see `maintenance.rs`.
//! - *Portable*: with `--http`, snapshots are downloaded and uploaded by the routes of Qdrant's HTTP API, see
//!   `http.rs`.
//! - *Strict*: filters on payload fields without an index are rejected, as in Qdrant Cloud, see `strict.rs`.

mod api;
mod collection;
mod collections_service;
mod config;
mod convert_config;
mod convert_filter;
mod convert_index;
mod convert_point;
mod convert_query;
mod convert_update;
mod error;
mod files;
mod health_service;
mod http;
mod journal;
mod maintenance;
mod points_reads;
mod points_service;
mod points_writes;
mod recovery;
mod registry;
mod server;
mod snapshot;
mod snapshots_service;
mod store;
mod strict;

pub use config::{Command, Config};
pub use server::{ServerError, run};
