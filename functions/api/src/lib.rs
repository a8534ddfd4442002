//! The HTTP API: accounts, collections, sources, uploads, documents and operations.
//!
//! *Triggered by* API Gateway, every route but search.
//! *Reads* PostgreSQL, staged bytes in S3, the manifests and tokenizers of the models beside it.
//! *Writes* PostgreSQL, then a message to ScanQueue; clients put their files into S3 themselves.
//! *Safe to repeat because* each change is one transaction, and what must be unique is so in the
//! database.
//! *Retries when* never: the caller decides. A message that could not be sent is sent by sweep.

mod accounts;
mod admin;
mod api_keys;
mod audit;
mod chunking;
mod collections;
mod config;
mod connectors;
mod dispatch;
mod documents;
mod locks;
mod mcp;
mod openapi;
mod operations;
mod paging;
mod preferences;
mod quotas;
mod redaction;
mod router;
mod sharing;
mod sources;
mod state;
mod sync;
mod system;
mod uploads;
mod validation;

pub use config::{Config, Limits};
pub use openapi::DescriptionError;
pub use router::{openapi, router};
pub use state::State;
