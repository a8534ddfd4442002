//! Runs operations: lists sources, finds what changed, stages its bytes.
//!
//! *Triggered by* ScanQueue: an operation to run, or listed items to stage.
//! *Reads* operations and their work lists in PostgreSQL; sources, and uploads in S3.
//! *Writes* work lists, documents and what became of them; documents' bytes to S3; Qdrant
//! collections, made and deleted; messages to ChunkQueue, and to ScanQueue where time runs out.
//! *Safe to repeat because* an operation is claimed once and listed on from its cursor, a work
//! list holds a document once, and an item that is staged is only handed over again.
//! *Retries when* PostgreSQL, S3, SQS, Qdrant or a source does not answer. A source or document
//! that cannot be read is recorded as failed, with the reason.

mod config;
mod content;
mod ending;
mod handler;
mod listing;
mod operation;
mod purge;
mod rebuild;
mod reindex;
mod reindex_check;
mod removal;
mod source;
mod staging;
mod state;
mod verdict;

#[cfg(test)]
mod interleaving_tests;
#[cfg(test)]
mod resync_tests;

pub use config::Config;
pub use handler::handle;
pub use state::State;
