//! The HTTP API: accounts, collections, sources, uploads, documents and operations.
//!
//! *Triggered by* API Gateway, every route but search.
//! *Reads* PostgreSQL, staged bytes in S3, the manifests and tokenizers of the models beside it.
//! *Writes* PostgreSQL, then a message to ScanQueue; clients put their files into S3 themselves.
//! *Safe to repeat because* each change is one transaction, and what must be unique is so in the
//! database.
//! *Retries when* never: the caller decides. A message that could not be sent is sent by sweep.

mod admission;
mod api_key_fields;
mod api_keys;
mod audit;
mod audit_log;
mod chunks;
mod collections;
mod config;
mod connectors;
mod content;
mod disclosure;
mod dispatch;
mod docs;
mod document_metadata;
mod documents;
mod grantee;
mod health;
mod limits;
mod mcp_profiles;
mod open_sessions;
mod openapi;
mod operation_cancel;
mod operation_metrics;
mod operations;
mod ownership;
mod paging;
mod passwords;
mod permissions;
mod preferences;
mod rebuild;
mod router;
mod sessions;
mod sources;
mod state;
mod sync;
mod system_settings;
mod throttle;
mod trials;
mod upload_name;
mod uploads;
mod user_administration;
mod users;
mod validation;

pub use config::{Config, Limits};
pub use openapi::{DescriptionError, openapi};
pub use router::router;
pub use state::State;
