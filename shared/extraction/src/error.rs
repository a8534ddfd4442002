//! Why a document cannot be read.

use domain::{Classify, ErrorKind};
use thiserror::Error;

/// A document that cannot be extracted. Always permanent: the same bytes fail again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExtractionError {
    /// The format is not supported, or not known.
    #[error("{description} cannot be read; supported formats: {supported}")]
    Unsupported {
        /// The document's format with its article, for example "a PDF document".
        description: String,
        /// The names of the formats that can be read.
        supported: String,
    },
    /// The decoded text contains a NUL.
    #[error(
        "this is a binary file, not {format}: NUL at character {character}; text must not contain NUL (UTF-16 needs a byte order mark)"
    )]
    Nul {
        /// The detected format.
        format: &'static str,
        /// Position in the decoded text, from 0.
        character: u64,
    },
    /// Too many characters are control characters or could not be decoded.
    #[error(
        "this is a binary file, not {format}: {found} of the first {read} characters are unprintable; at most {allowed_percent} % are allowed"
    )]
    Unprintable {
        /// The detected format.
        format: &'static str,
        /// Control characters and bytes that are invalid in the encoding.
        found: u64,
        /// Characters read so far.
        read: u64,
        /// The limit.
        allowed_percent: u64,
    },
}

impl Classify for ExtractionError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unsupported { .. } | Self::Nul { .. } | Self::Unprintable { .. } => ErrorKind::Invalid,
        }
    }
}
