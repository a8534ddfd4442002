//! What can go wrong with a source.

use domain::{Classify, ErrorKind};
use thiserror::Error;

/// A source that is described wrongly, or cannot be listed or read.
#[derive(Debug, Error)]
pub enum ConnectorError {
    /// The description is not acceptable.
    #[error("{field}: {message}")]
    Invalid {
        /// The wrong field.
        field: &'static str,
        /// What came and what is allowed.
        message: String,
    },
    /// The source or document is not there (any more).
    #[error("{what} is not there")]
    NotFound {
        /// The path or URI.
        what: String,
    },
    /// The source may not be read by this installation.
    #[error("{what} may not be read: {reason}")]
    Forbidden {
        /// The path or URI.
        what: String,
        /// Why, and what an operator can do.
        reason: String,
    },
    /// The source does not answer at the moment.
    #[error("{what} cannot be read at the moment")]
    Unavailable {
        /// The path or URI.
        what: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ConnectorError {
    pub(crate) fn invalid(field: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { field, message: message.into() }
    }

    pub(crate) fn unavailable(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Unavailable { what: what.into(), source: source.into() }
    }

    /// An error of the file system, by what it means for the source.
    pub(crate) fn from_io(what: impl Into<String>, error: std::io::Error) -> Self {
        let what = what.into();
        match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Self::NotFound { what },
            std::io::ErrorKind::InvalidFilename => {
                Self::invalid("path", format!("{what} is longer than the file system allows"))
            }
            std::io::ErrorKind::PermissionDenied => {
                Self::Forbidden { what, reason: "the file system refuses; check its permissions".to_owned() }
            }
            _ => Self::unavailable(what, error),
        }
    }

    /// The wrong field of the description, if a field is wrong.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Invalid { field, .. } => Some(field),
            _ => None,
        }
    }
}

impl Classify for ConnectorError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. } => ErrorKind::Invalid,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Forbidden { .. } => ErrorKind::Forbidden,
            Self::Unavailable { .. } => ErrorKind::Unavailable,
        }
    }
}
