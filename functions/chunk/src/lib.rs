//! Turns one staged document into staged chunks.
//!
//! *Triggered by* ChunkQueue: one message for each staged document.
//! *Reads* the item and its collection's settings in PostgreSQL, the document's bytes in S3, the
//! model's tokenizer.
//! A document that needs a parser goes to ExtractQueue first, and comes back when its text is in S3.
//! *Writes* the chunks to S3 in batches of 256; the item's state; one message for each batch to
//! EmbedQueue.
//! *Safe to repeat because* the same bytes yield the same chunks under the same keys, and for an item
//! that is already chunked only the messages are sent again.
//! *Retries when* PostgreSQL, S3 or SQS is unavailable. A document that cannot be read as text is
//! recorded as failed or skipped, with the reason.

mod config;
mod handler;
mod state;
mod stream;

pub use config::Config;
pub use handler::handle;
pub use state::State;
