//! Bytes to text, by format.
//!
//! Pure and streaming: bytes go in by pieces of any size, text comes out as soon as it is known,
//! and what is held in between is bounded whatever the document's size. The text does not depend
//! on how the bytes were cut into pieces.

mod encoding;
mod error;
mod extractor;
mod format;
mod html;
mod layout;
mod printable;

pub use error::ExtractionError;
pub use extractor::{Content, EmptyReason, Extracted, Extractor};
pub use format::{Format, SUPPORTED_FORMATS};
