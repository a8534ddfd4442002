//! A document's bytes to its chunks: extraction and chunking with a collection's settings.
//!
//! A crate of its own because the chunk function, which indexes, and the API's chunking preview must
//! produce the same chunks. Pure, except that it opens a model's files.

mod document;
mod error;
mod parsed;
mod readable;
mod records;
mod tokens;

pub use document::{DocumentChunker, DocumentSettings};
pub use error::SegmentationError;
pub use readable::ReadableFormat;
pub use tokens::{ModelTokens, TokensByModel};
