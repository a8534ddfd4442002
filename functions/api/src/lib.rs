//! The HTTP API: accounts, collections, sources, uploads, documents and operations.
//!
//! *Triggered by* API Gateway, for all routes except search.
//! *Reads* PostgreSQL, staged artifacts in S3, manifests and tokenizers of the bundled models.
//! *Writes* PostgreSQL, then a message to ScanQueue. Clients PUT their files to S3 themselves; what they
//! push inline, the function writes.
//! *Idempotent because* every change is one transaction, and unique constraints reject duplicates.
//! *Retries* nothing: the client decides. The sweep function sends messages that could not be sent.
//!
//! Every function that reaches PostgreSQL, S3, SQS or Qdrant returns `Unavailable` if the server is
//! unreachable; `# Errors` sections only name other conditions.

mod accounts;
mod admin;
mod api_keys;
mod audit;
mod chunking;
mod collections;
mod config;
mod connectors;
mod documents;
mod formats;
mod locks;
mod mcp;
mod nullable;
mod openapi;
mod operations;
mod preferences;
mod push_runs;
mod quotas;
mod redaction;
mod router;
mod sharing;
mod sources;
mod state;
mod sync;
mod system;
mod uploads;
mod webhooks;

pub use config::{Config, Limits};
pub use openapi::OpenApiError;
pub use router::{openapi, router};
pub use state::State;
