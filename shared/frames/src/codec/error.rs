//! Why bytes are no frames.

use domain::{Classify, ErrorKind};
use thiserror::Error;

use super::format::{MAGIC, MAX_RECORD_BYTES};

/// Bytes that are no frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The first bytes are not those of this version.
    #[error("text artifact: not of version {}; extract the document again", MAGIC[7])]
    Version,
    /// A record has an unknown tag.
    #[error("text artifact: unknown tag {0}")]
    UnknownTag(u8),
    /// A record is longer than any frame.
    #[error("text artifact: a record of {0} bytes; at most {MAX_RECORD_BYTES} are allowed")]
    RecordTooLong(u32),
    /// The content of a record does not fit its tag.
    #[error("text artifact: invalid {0}")]
    Malformed(&'static str),
    /// The bytes end before the document does.
    #[error("text artifact: truncated")]
    Truncated,
    /// Bytes follow the last frame.
    #[error("text artifact: bytes after the end")]
    AfterEnd,
}

impl Classify for DecodeError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }
}
