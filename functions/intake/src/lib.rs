//! Turns files that arrive in the staging bucket into append operations.
//!
//! *Triggered by* IntakeQueue: the bucket's ObjectCreated and ObjectRemoved events, and requests of sweep to check
//! announced uploads and objects.
//! *Reads* what is in the bucket now (an event only says where to look), uploads, and their announcers' access.
//! *Writes* an append operation with its work list and audit entry, and the state of announced uploads. Deletes
//! refused and orphaned objects. Marks or removes documents whose drops are gone.
//! *Safe to repeat because* an upload is accepted once, an arrival that is not newer than the latest one of its
//! document is stale, and an object is deleted only with the ETag that was judged.
//! *Retries when* PostgreSQL or S3 cannot be reached. A message that cannot be sent to scan is left
//! to sweep.

mod config;
mod decision;
mod handler;
mod missing;
mod notification;
mod receive;
mod sighting;
mod spelling;
mod state;

pub use config::Config;
pub use handler::handle;
pub use notification::Notification;
pub use state::State;
