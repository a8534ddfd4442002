//! Qdrant's own engine (the crate `qdrant-edge`) in process, behind the gRPC services that
//! `qdrant-client` publishes: what a development machine runs where the cloud has Qdrant.
//!
//! - *Same interface*: a client cannot tell it from a server for the calls that it serves,
//!   error codes and messages included; any other call answers `unimplemented` and names
//!   itself. Fields of served requests that mean nothing to a single process (consistency,
//!   ordering, timeouts) are accepted; those that would change the result are refused.
//! - *Durable*: an acknowledged write survives the death of the process, see `journal.rs`.
//! - *Indexed*: HNSW graphs and quantized vectors are built in the background, see `upkeep.rs`.
//! - *Portable*: with `--http`, snapshots leave the server and come back by the routes that Qdrant's
//!   HTTP interface has for that, see `http.rs`.
//! - *Strict*: filters over unindexed payload fields are refused as in Qdrant Cloud, see
//!   `strict.rs`.

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
mod upkeep;

pub use config::{Command, Config};
pub use server::{ServerError, run};
