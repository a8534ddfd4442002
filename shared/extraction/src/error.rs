//! Why a document has no text.

use domain::{Classify, ErrorKind};
use thiserror::Error;

/// A document that cannot become text. Always permanent: the same bytes fail again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExtractionError {
    /// The format is known and not read, or not known at all.
    #[error("{reason}")]
    Unsupported {
        /// Names the format and what can be read instead.
        reason: String,
    },
    /// A NUL in what should be text.
    #[error(
        "this is a binary file, not {format}: a NUL at character {character}; text may hold none (UTF-16 is read when it starts with its byte order mark)"
    )]
    Nul {
        /// What the file was taken for.
        format: &'static str,
        /// Position of the NUL in the decoded text, from 0.
        character: u64,
    },
    /// Too many characters that no text has.
    #[error(
        "this is a binary file, not {format}: {found} of its first {read} characters cannot be printed; at most {allowed_percent} % may be so"
    )]
    Unprintable {
        /// What the file was taken for.
        format: &'static str,
        /// Control characters and bytes that the encoding does not know.
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
