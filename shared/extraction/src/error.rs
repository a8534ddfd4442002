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
    /// The format needs a parser, see `frames::DocumentFormat`.
    #[error("{name} needs a parser; upload it to have it indexed, it cannot be previewed")]
    NeedsParser {
        /// The format's name with its article.
        name: &'static str,
    },
    /// The name or the media type is that of a format that needs a parser, and the bytes are not.
    #[error(
        "the file is named like {name}, but its bytes are of another format; upload it with the extension of its format"
    )]
    NotAsNamed {
        /// The name of the format with its article.
        name: &'static str,
    },
    /// Too many characters are control characters or could not be decoded.
    #[error(
        "this is a binary file, not {format}: {found} of the first {read} characters are unprintable{}; at most {allowed_percent} % allowed{}",
        if *.has_nul { ", NULs among them" } else { "" },
        if *.has_nul { " (UTF-16 needs a byte order mark or a charset)" } else { "" },
    )]
    Binary {
        /// The detected format.
        format: &'static str,
        /// Control characters and bytes that are invalid in the encoding.
        found: u64,
        /// Characters read so far.
        read: u64,
        /// Whether NULs are among them, for which the limit is lower.
        has_nul: bool,
        /// The limit.
        allowed_percent: u64,
    },
}

impl Classify for ExtractionError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unsupported { .. }
            | Self::NeedsParser { .. }
            | Self::NotAsNamed { .. }
            | Self::Binary { .. } => ErrorKind::Invalid,
        }
    }
}
