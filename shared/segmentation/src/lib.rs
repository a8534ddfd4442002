//! A document's bytes to its chunks: extraction and chunking, with a collection's settings.
//!
//! Here because two must say the same: the chunk function, which indexes, and the API's previews of
//! what indexing would do. Pure but for opening a model's files.

mod document;
mod error;
mod tokens;

pub use document::{DocumentChunks, DocumentSettings, layout_of};
pub use error::PassagesError;
pub use tokens::{ModelTokens, TokensByModel};
