//! Why a document was not parsed.

use std::io;

use domain::{Classify, ErrorKind};
use frames::{Failure, FailureKind};
use thiserror::Error;

/// A document that was not parsed.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// The document cannot be read: it is damaged, too large, or hostile. Always permanent.
    #[error("{}", failure.reason)]
    Document {
        /// What the document's owner sees.
        failure: Failure,
        /// What the log shows beside it.
        #[source]
        messages: Option<ChildMessages>,
    },
    /// The child process cannot be started or read from.
    #[error("the parser's process cannot be run")]
    Process(#[source] io::Error),
    /// The child process failed for a reason that is not the document's, such as a missing library.
    #[error("the parser's process failed: {0}")]
    Child(String),
}

/// What a child process has written to standard error, such as the place of a panic.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("the parser's process wrote: {0}")]
pub struct ChildMessages(pub String);

impl Classify for SandboxError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Document { failure: Failure { kind: FailureKind::TooLarge, .. }, .. } => {
                ErrorKind::TooLarge
            }
            Self::Document { .. } => ErrorKind::Invalid,
            Self::Process(_) | Self::Child(_) => ErrorKind::Internal,
        }
    }

    fn public_message(&self) -> Option<String> {
        match self {
            Self::Document { failure, .. } => Some(failure.reason.clone()),
            Self::Process(_) | Self::Child(_) => None,
        }
    }
}
