//! Turns one staged document into staged chunks.
//!
//! *Triggered by* ChunkQueue: one message for each staged document.
//! *Reads* the item and its collection's settings in PostgreSQL, the document's bytes in S3, the
//! model's tokenizer beside it.
//! *Writes* the chunks to S3, 256 to an object; the item's state; one message for each object to
//! EmbedQueue.
//! *Safe to repeat because* the same bytes make the same chunks under the same keys, and an item
//! that is chunked already is only handed over again.
//! *Retries when* PostgreSQL, S3 or SQS does not answer. A document that cannot be read as text is
//! recorded as failed or skipped, with the reason.

mod config;
mod handler;
mod state;
mod stream;

pub use config::Config;
pub use handler::handle;
pub use state::State;
