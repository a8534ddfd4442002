//! Errors of calls to the staging bucket.

use aws::S3Refusal;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use domain::{Classify, Dependency, ErrorKind};
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
    /// S3 refuses to return the object; a retry cannot help. The text is for users, and names no key.
    #[error("S3 refused to read it: {refusal}")]
    Refused {
        /// The object's key.
        key: String,
        /// Why.
        refusal: S3Refusal,
    },
    /// The call failed: S3 cannot be reached, limits the request rate, or rejected the request of this program.
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

    /// Classifies the error of a call that reads an object: refusals concern that object alone. Errors of writes
    /// are never refusals, since they are about the bucket and this installation's role.
    pub(crate) fn of_read<E>(
        key: impl Into<String>,
        call: &'static str,
        error: SdkError<E>,
        storage_class: Option<&str>,
    ) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let refusal = match &error {
            SdkError::ServiceError(service) => {
                S3Refusal::of(service.raw().status().as_u16(), service.err().code(), storage_class)
            }
            _ => None,
        };
        match refusal {
            Some(refusal) => Self::Refused { key: key.into(), refusal },
            None => Self::call(key, call, error),
        }
    }
}

impl Classify for ArtifactError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Refused { .. } => ErrorKind::Forbidden,
            Self::Replaced { .. } | Self::Call { .. } => ErrorKind::Unavailable,
            Self::Malformed { .. } => ErrorKind::Internal,
        }
    }

    fn public_message(&self) -> Option<String> {
        match self {
            Self::NotFound { .. } => {
                Some("a staged file of the document is missing; index it again from its source".to_owned())
            }
            Self::Refused { .. } => Some(self.to_string()),
            Self::Replaced { .. } | Self::Call { .. } | Self::Malformed { .. } => None,
        }
    }

    fn dependency(&self) -> Option<Dependency> {
        matches!(self, Self::Call { .. }).then_some(Dependency::StagingBucket)
    }
}
