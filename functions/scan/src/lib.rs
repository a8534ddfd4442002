//! Runs operations: lists sources, detects what has changed, stages raw documents.
//!
//! *Triggered by* ScanQueue: an operation to run, or listed items to stage.
//! *Reads* operations and their work lists in PostgreSQL; sources; uploads in S3.
//! *Writes* work lists, and the results of their items; raw documents to S3; Qdrant collections, created
//! and deleted; messages to ChunkQueue, and to ScanQueue when the time runs out.
//! *Safe to repeat because* an operation is claimed once and resumes at its cursor, a work list contains a
//! document once, and for an item that is already staged only the message is sent again.
//! *Retries when* PostgreSQL, S3, SQS, Qdrant or a source is unavailable. A source or document that cannot
//! be read is recorded as failed, with the reason.
//!
//! The modules, from the message to the document: `handler` tells the two messages apart; `operation` runs
//! an operation of each type; `work_list` fills its work list from a producer (`listing`, `reindex`,
//! `rebuild`, `removal`, `repair`); `stage_items` stages items of the list, each by `document` or, in a reindex, by
//! `copying`.

mod config;
mod context;
mod copying;
mod document;
mod ending;
mod handler;
mod index;
mod listing;
mod operation;
mod purge;
mod rebuild;
mod reindex;
mod reindex_check;
mod removal;
mod repair;
mod sessions;
mod source;
mod source_spec;
mod stage_items;
mod state;
mod steps;
mod work_list;

#[cfg(test)]
mod resync_tests;

pub use config::Config;
pub use handler::handle;
pub use state::State;
