//! A document's bytes to its chunks: extraction and chunking with a collection's settings.
//!
//! A crate of its own because the chunk function, which indexes, and the API's chunking preview must
//! produce the same chunks. Pure, except that it opens a model's files.

mod context;
mod document;
mod error;
mod parsed;
mod readable;
mod records;
mod summary;
#[cfg(test)]
mod testing;
mod text;
mod tokens;

pub use document::{DocumentChunker, DocumentSettings, parsed_format};
pub use error::SegmentationError;
pub use readable::{Ocr, ReadableFormat};
pub use summary::DocumentSummary;
pub use text::DocumentText;
pub use tokens::{ModelTokens, TokensByModel};
