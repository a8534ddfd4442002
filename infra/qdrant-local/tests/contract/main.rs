//! What the program expects of Qdrant, through Qdrant's own client.
//!
//! By default every test starts a `qdrant-local` of its own. Where `QDRANT_URL` names a server
//! (and `QDRANT_API_KEY` its key, if it has one), the same tests run against that server,
//! unchanged; they leave no collection behind. Only `durability` is about `qdrant-local` alone.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test, as tests do")]

mod aliases;
mod collections;
mod durability;
mod errors;
mod filters;
mod indexing;
mod points;
mod queries;
mod server;
mod snapshots;
mod support;
mod vector_store;
