//! Errors of calls to the staging bucket.

use domain::{Classify, ErrorKind};
use thiserror::Error;

/// An artifact that could not be read or written.
#[derive(Debug, Error)]
pub enum ArtifactError {
    /// There is no such object.
    #[error("no such object: {key}")]
    NotFound {
        /// The object's key.
        key: String,
    },
    /// The object was overwritten between two calls that must see the same version.
    #[error("the object {key} was overwritten meanwhile")]
    Replaced {
        /// The object's key.
        key: String,
    },
    /// The call failed: S3 rejected it or could not be reached.
    #[error("{call} failed for {key} in the staging bucket")]
    Call {
        /// The object's key or prefix.
        key: String,
        /// The S3 action.
        call: &'static str,
        /// The SDK's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The artifact does not have its format.
    #[error("the artifact {key} cannot be read: {reason}")]
    Malformed {
        /// The object's key.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

impl ArtifactError {
    pub(crate) fn call(
        key: impl Into<String>,
        call: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Call { key: key.into(), call, source: source.into() }
    }
}

impl Classify for ArtifactError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Replaced { .. } | Self::Call { .. } => ErrorKind::Unavailable,
            Self::Malformed { .. } => ErrorKind::Internal,
        }
    }

    fn public_message(&self) -> Option<String> {
        match self {
            Self::NotFound { .. } => {
                Some("a staged file of the document is missing; index it again from its source".to_owned())
            }
            Self::Replaced { .. } | Self::Call { .. } | Self::Malformed { .. } => None,
        }
    }
}
