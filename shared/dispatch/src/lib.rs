//! How an operation starts and ends, and how the next one of its collection begins.
//!
//! This is the only place that starts operations. A caller goes through the steps in one order,
//! and the types leave no other:
//!
//! 1. [`lock_collection`] locks the collection row; [`LockedCollection::lock_source`] and
//!    [`LockedCollection::add_source`] then lock a source row. This is the lock order of the whole
//!    program: collection, source, operation, document. It cannot be reversed, because a
//!    [`LockedSource`] is made from a [`LockedCollection`] and from nothing else.
//! 2. `start` checks the quotas and inserts the operation. Its work list can be filled next,
//!    through [`Queued::tx`].
//! 3. [`Queued::audit`] writes the audit entry.
//! 4. [`Audited::commit_with`] arms sweep, commits, then dispatches. A message that cannot be sent is left
//!    to sweep: the operation is safe in the database by then.
//!
//! A running operation has a window: only so many of its items are under way at a time, and each that ends makes room
//! for the next one ([`send_next_items`]). So a large operation does not fill the queues, and a document of another user
//! does not wait behind all of it.
//!
//! The end of an operation may have inserted deliveries to webhooks, whose messages are sent with that of the next operation.
//!
//! Every call is safe to repeat. A process that dies between two of them loses nothing: sweep finds
//! operations that could end, and operations whose message was not sent.
//!
//! Every function that talks to PostgreSQL or SQS returns an `Unavailable` error if it cannot be
//! reached; an `# Errors` section names what else there is.

mod bulk;
mod cancel;
mod deliveries;
mod end;
mod error;
mod failed_document;
mod initiator;
mod quotas;
mod send;
mod start;
mod window;

pub use bulk::{queue_unfinished_deletions, queue_unpurged, queue_without_points, start_rebuilds};
pub use cancel::{LockedOperation, cancel_items, lock_operation};
pub use deliveries::{send_deliveries_or_leave, send_due_deliveries};
pub use end::{end_operation, start_next};
pub use error::{QuotaExceeded, StartError};
pub use failed_document::{FailedDocument, log_failed};
pub use initiator::Initiator;
pub use send::{arm_sweep, dispatch, redeliver};
pub use start::{
    Audited, Committed, LockedCollection, LockedSource, Queued, StartOperation, SyncRunStart, dispatch_all,
    lock_collection, lock_if_exists,
};
pub use window::send_next_items;
