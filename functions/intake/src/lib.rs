//! Turns files that arrive in the staging bucket into append operations.
//!
//! *Triggered by* IntakeQueue: the bucket's ObjectCreated events, and sweep's questions after
//! uploads that nothing was heard of.
//! *Reads* collections in PostgreSQL; what S3 says of an upload, where sweep asks.
//! *Writes* an append operation and its work list, and what became of announced uploads.
//! *Safe to repeat because* a file is on a work list once, and scan ends a file that is indexed in
//! the same version without reading it.
//! *Retries when* PostgreSQL, S3 or SQS does not answer.

mod config;
mod handler;
mod notification;
mod state;

pub use config::Config;
pub use handler::handle;
pub use notification::Notification;
pub use state::State;
