//! Turns staged chunks into searchable points.
//!
//! *Triggered by* EmbedQueue: one message for each batch of a document's chunks. Two programs consume
//! it: the function `embed`, invoked by Lambda, and the job `embed-drain`, which polls the queue itself
//! and ends when the queue stays empty. Both run the steps of the module `stage`.
//! *Reads* the item and its collection's settings in PostgreSQL; the chunks in S3; the vectors of
//! an earlier version for chunks whose text has not changed; the model's files.
//! *Writes* vectors to S3 and points to Qdrant; which batches are done; with a document's last batch its
//! new generation; with the operation's last document the end of the operation.
//! *Safe to repeat because* a chunk's point has the same id in every attempt, a batch is counted once,
//! and points of older generations are deleted by a filter.
//! *Ends in time because* an invocation embeds for a bounded time, in groups that fit into it, and hands back what is
//! left; the vectors of a batch that needs several turns are kept.
//! *Retries when* PostgreSQL, S3, SQS or Qdrant is unavailable, or the model fails. A batch that Qdrant
//! refuses fails its document, with the reason.

mod config;
mod drain;
mod embedder;
mod handler;
mod jobs;
mod pace;
mod progress;
mod reuse;
mod stage;
mod state;
mod store;

pub use config::{Config, DrainConfig};
pub use drain::drain;
pub use embedder::ChunkEmbedder;
pub use handler::handle;
pub use pace::Pace;
pub use state::State;
