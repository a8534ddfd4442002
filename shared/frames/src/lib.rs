//! What a parsed document consists of, and the bytes that hold it.
//!
//! A parser yields [`Frame`]s in reading order. [`codec`] writes them as the text artifact, and as what a parser's
//! child process sends to its parent: one format for both, so that the parent can copy what it has checked.
//! [`DocumentFormat`] lists the formats that need a parser, so that a function can refuse or accept a file without
//! linking the parsers. Pure: no IO.

pub mod codec;
mod format;
mod frame;
mod warning;

pub use format::DocumentFormat;
pub use frame::{Failure, FailureKind, Frame, Summary, push_row_text};
pub use warning::{Warning, WarningKind};

/// What to tell the owner of a document that only OCR reads, in a collection without it.
pub const OCR_IS_OFF: &str = "OCR is off; set \"ocr\" to true in a reindex of the collection";

/// What to tell the owner of a document that only OCR reads, where the collection uses it and the installation does not
/// have it.
pub const OCR_IS_NOT_DEPLOYED: &str =
    "this installation has no OCR; ask its operator to deploy it with OcrEnabled";
