//! Contract tests: what this project expects of Qdrant, by Qdrant's own client.
//!
//! By default every test starts its own `qdrant-local`. If `QDRANT_URL` names a server (and `QDRANT_API_KEY` its
//! key, if it has one), the same tests run against that server; they delete their collections afterwards. Only
//! `durability` and `snapshots` are about `qdrant-local` alone.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test, as tests do")]

mod aliases;
mod collections;
mod durability;
mod errors;
mod filters;
mod indexing;
mod points;
mod queries;
mod ranking;
mod server;
mod snapshots;
mod storage;
mod support;
mod vectors;
