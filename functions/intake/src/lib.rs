//! Turns files that are uploaded to the staging bucket into append operations.
//!
//! *Triggered by* IntakeQueue: the bucket's ObjectCreated events, and requests of sweep to check
//! uploads whose event is missing.
//! *Reads* collections in PostgreSQL; the object's metadata in S3 if sweep asks for a check.
//! *Writes* an append operation with its work list and audit entry, and the state of announced
//! uploads.
//! *Safe to repeat because* a file is on a work list once, and scan ends an item whose file is
//! already indexed in the same version without reading it.
//! *Retries when* PostgreSQL or S3 cannot be reached. A message that cannot be sent to scan is left
//! to sweep.

mod config;
mod handler;
mod notification;
mod state;

pub use config::Config;
pub use handler::handle;
pub use notification::Notification;
pub use state::State;
