//! What can go wrong between us and the staging bucket.

use domain::{Classify, ErrorKind};
use thiserror::Error;

/// An artifact that could not be read or written.
#[derive(Debug, Error)]
pub enum ArtifactError {
    /// There is no such object.
    #[error("there is no object {key}")]
    NotFound {
        /// The object's key.
        key: String,
    },
    /// The object was replaced between two calls that must see the same one.
    #[error("the object {key} was replaced meanwhile")]
    Replaced {
        /// The object's key.
        key: String,
    },
    /// S3 refused the call or did not answer.
    #[error("the staging bucket did not take {call} for {key}")]
    Call {
        /// The object's key or prefix.
        key: String,
        /// What was asked.
        call: &'static str,
        /// The SDK's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An artifact does not hold what its format says.
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
}
