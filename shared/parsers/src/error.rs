//! Why a document cannot be read.

use std::io;

use domain::{Classify, ErrorKind};
use frames::{Failure, FailureKind};
use thiserror::Error;

/// A document that cannot be parsed, or a stream that broke on the way.
#[derive(Debug, Error)]
pub enum ParseError {
    /// The document cannot be read. Always permanent: the same bytes fail again.
    #[error("{}", .0.reason)]
    Document(Failure),
    /// Reading the input failed, not its content.
    #[error("reading the document failed")]
    Input(#[source] io::Error),
    /// Writing the frames failed.
    #[error("writing the text failed")]
    Output(#[source] io::Error),
    /// The parser's library cannot be loaded, or failed in a way that says nothing about the document.
    #[error("{0}")]
    Library(String),
    /// A limit on the output is reached: parsing ends here, and what was read so far counts.
    #[error("the document's text reaches its limit")]
    Full,
}

impl Classify for ParseError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Document(Failure { kind: FailureKind::TooLarge, .. }) | Self::Full => ErrorKind::TooLarge,
            Self::Document(_) => ErrorKind::Invalid,
            Self::Input(_) | Self::Output(_) | Self::Library(_) => ErrorKind::Internal,
        }
    }
}

impl ParseError {
    /// A file that is not what its format says.
    pub(crate) fn damaged(what: &str, cause: impl std::fmt::Display) -> Self {
        Self::failure(FailureKind::Damaged, format!("{what} is damaged: {cause}"))
    }

    pub(crate) fn encrypted(what: &str) -> Self {
        Self::failure(FailureKind::Encrypted, format!("{what} is encrypted; upload it without a password"))
    }

    pub(crate) fn too_large(reason: String) -> Self {
        Self::failure(FailureKind::TooLarge, reason)
    }

    pub(crate) fn failure(kind: FailureKind, reason: String) -> Self {
        Self::Document(Failure { kind, reason })
    }
}
