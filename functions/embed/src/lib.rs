//! Turns staged chunks into points that a search finds.
//!
//! *Triggered by* EmbedQueue: one message for each batch of a document's chunks. Two programs take
//! them: the function `embed`, which Lambda feeds, and the job `embed-drain`, which feeds itself and
//! ends when the queue stays empty. `stage` is what both do.
//! *Reads* the item and its collection's settings in PostgreSQL, the chunks in S3, the vectors of
//! an earlier version for those whose text it had, the model beside it.
//! *Writes* the vectors to S3, the points to Qdrant, which batches are done; with a document's
//! last batch its new version, and the end of the operation with its last document.
//! *Safe to repeat because* a chunk's point has the same id at every try, a batch is counted once,
//! and points of older versions are deleted by a filter.
//! *Retries when* PostgreSQL, S3, SQS or Qdrant does not answer, or the model fails. What Qdrant
//! refuses is recorded on the document.

mod config;
mod drain;
mod handler;
mod jobs;
mod reuse;
mod stage;
mod state;
mod store;

pub use config::{Config, DrainConfig};
pub use drain::drain;
pub use handler::handle;
pub use state::State;
