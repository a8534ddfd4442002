//! Bytes to blocks, by format.
//!
//! [`Format::detect`] finds a document's format, an [`Extractor`] reads it: bytes go in by pieces of
//! any size, [`Block`]s come out as soon as they are known. Memory is bounded whatever the document's
//! size, and the blocks do not depend on how the bytes were split into pieces. Pure: no IO.
//!
//! A format is one file in `formats/`, declared and registered in `formats.rs`. Decoding and checking text is the
//! business of the formats that are text; their shared parts are in `text.rs`.

mod block;
mod content;
mod error;
mod extractor;
mod format;
mod formats;
mod reader;
mod text;
mod warning;

pub use block::{Block, Blocks};
pub use content::{Content, EmptyReason};
pub use error::ExtractionError;
pub use extractor::{Extracted, Extractor};
pub use format::Format;
pub use warning::Warning;
