//! Heals what was lost on the way, records what was given up, and tidies.
//!
//! *Triggered by* the clock, every minute; and by the dead-letter queues of all stages.
//! *Reads* operations, items and uploads in PostgreSQL, how full the queues are.
//! *Writes* messages that seem lost, once more; the end of operations that nobody ended; the
//! failure of what a stage gave up; the sync runs that collections are due for; and removes what
//! has expired, indexes that were replaced among it.
//! *Safe to repeat because* every stage takes a message twice without harm, ends are written once,
//! and a collection has one sync run at a time.
//! *Retries when* PostgreSQL or SQS does not answer: the next minute tries again.

mod config;
mod dead_letters;
mod handler;
mod healing;
mod retention;
mod state;
mod syncs;
mod vector_stores;

pub use config::{Config, Patience};
pub use handler::handle;
pub use state::State;
