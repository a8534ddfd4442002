//! Sync runs and the schedule that starts them.

mod runs;
mod schedule;

pub use runs::{NewSyncRun, SyncRun, SyncRunQuery, SyncRuns, SyncStart};
pub use schedule::DueCollection;
