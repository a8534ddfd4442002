//! Recovers lost messages, records dead letters, starts what is due and deletes what has expired.
//!
//! *Triggered by* SweepQueue: whoever creates work sends a message, and sweep sends the next while there is
//! work or something is due within the hour (`next_run`); by EventBridge, every hour; and by the
//! dead-letter queues of all stages.
//! *Reads* operations, items and uploads in PostgreSQL, the depths of the queues, the running Batch
//! jobs.
//! *Writes* messages that seem lost, again; the end of operations that no stage ended; the failure of
//! items whose message became a dead letter; sync runs that are due; embed jobs for a backlog that is
//! too large for the embed function; deliveries to webhooks that are due; what a sampled check of a collection found. Deletes expired rows and
//! replaced indexes, staged objects that nothing needs any more, and what purged documents leave.
//! *Safe to repeat because* every stage handles a message twice without harm, an operation ends once,
//! a collection has one sync run at a time, a job's name tells whether it is running, and a document
//! stays queued for erasure until its objects are deleted.
//! *Retries when* PostgreSQL, SQS, S3, Qdrant or AWS Batch cannot be reached: the next run tries again.

mod config;
mod dead_letters;
mod embed_jobs;
mod erasure;
mod handler;
mod integrity;
mod next_run;
mod recovery;
mod retention;
mod retired_indexes;
mod state;
mod syncs;

pub use config::{Config, JobLimits, StallTimeouts};
pub use handler::handle;
pub use state::{EmbedJobs, State};
