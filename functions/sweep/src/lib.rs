//! Heals what was lost on the way, records what was given up, and tidies.
//!
//! *Triggered by* the clock, every minute; and by the dead-letter queues of all stages.
//! *Reads* operations, items and uploads in PostgreSQL, how full the queues are, which jobs are under way.
//! *Writes* messages that seem lost, once more; the end of operations that nobody ended; the
//! failure of what a stage gave up; the sync runs that collections are due for; jobs that embed what is
//! too much for the function; and removes what has expired, indexes that were replaced among it.
//! *Safe to repeat because* every stage takes a message twice without harm, ends are written once,
//! a collection has one sync run at a time, and a job's name tells whether it is under way.
//! *Retries when* PostgreSQL, SQS or AWS Batch does not answer: the next minute tries again.

mod config;
mod dead_letters;
mod embed_jobs;
mod handler;
mod healing;
mod retention;
mod state;
mod syncs;
mod vector_stores;

pub use config::{Config, StallTimeouts};
pub use embed_jobs::{EmbedJobs, JobLimits};
pub use handler::handle;
pub use state::State;
