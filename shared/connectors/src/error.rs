//! Why a source cannot be used.

use std::time::Duration;

use domain::{Classify, Dependency, ErrorKind, SecretType, ServerPlace};
use egress::EgressError;
use thiserror::Error;

/// A source whose settings are invalid, or that cannot be listed or read.
#[derive(Debug, Error)]
pub enum ConnectorError {
    /// A setting is invalid or not allowed.
    #[error("{field}: {message}")]
    Invalid {
        /// The setting.
        field: &'static str,
        /// What is wrong, what is allowed and what was received.
        message: String,
    },
    /// The source or document does not exist, or no longer exists.
    #[error("{what} does not exist")]
    NotFound {
        /// The path or URI.
        what: String,
    },
    /// This installation may not read the source or document.
    #[error("{what} cannot be read: {reason}")]
    Forbidden {
        /// The path or URI.
        what: String,
        /// Why, and what an operator can do.
        reason: String,
    },
    /// The source's own limits leave the document out: it is skipped, and that is no failure.
    #[error("{what} is left out: {reason}")]
    LeftOut {
        /// The document.
        what: String,
        /// Why, and what is allowed.
        reason: String,
    },
    /// The source cannot be read without a secret that is not set.
    #[error(
        "the source needs its secret {secret_type}, which is not set; set it with the source (secrets.{secret_type})"
    )]
    SecretMissing {
        /// The type of the secret.
        secret_type: SecretType,
    },
    /// The server does not accept the source's secrets.
    #[error("{what} refused to sign in: {reason}")]
    SignIn {
        /// The server.
        what: String,
        /// What it answered, and what to do. Without the secrets.
        reason: String,
    },
    /// The source limits the rate of requests.
    #[error("{what} limits the rate of requests; the read will be retried")]
    Throttled {
        /// The server.
        what: String,
        /// When it accepts requests again, if it said so.
        retry_after: Option<Duration>,
    },
    /// An address that the operator does not allow, or a request that failed.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// The source is unavailable for now.
    #[error("{what} is unavailable; the read will be retried")]
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

    pub(crate) fn not_granted(place: &ServerPlace) -> Self {
        Self::Forbidden {
            what: place.to_string(),
            reason:
                "no grant of a superuser covers it; ask one to grant it (POST /api/v2/admin/source-grants)"
                    .to_owned(),
        }
    }

    pub(crate) fn unavailable(
        what: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Unavailable { what: what.into(), source: source.into() }
    }

    /// Classifies an error of the file system.
    pub(crate) fn from_io(what: impl Into<String>, error: std::io::Error) -> Self {
        let what = what.into();
        match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Self::NotFound { what },
            std::io::ErrorKind::InvalidFilename => {
                Self::invalid("path", format!("longer than the file system allows, got {what:?}"))
            }
            std::io::ErrorKind::PermissionDenied => {
                Self::Forbidden { what, reason: "permission denied; check the file permissions".to_owned() }
            }
            _ => Self::unavailable(what, error),
        }
    }

    /// The invalid setting, if one is.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Invalid { field, .. } => Some(field),
            _ => None,
        }
    }
}

impl Classify for ConnectorError {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } => *retry_after,
            Self::Egress(error) => error.retry_after(),
            _ => None,
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid { .. } | Self::LeftOut { .. } => ErrorKind::Invalid,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Forbidden { .. } | Self::SecretMissing { .. } | Self::SignIn { .. } => ErrorKind::Forbidden,
            Self::Throttled { .. } => ErrorKind::Throttled,
            Self::Egress(error) => error.kind(),
            Self::Unavailable { .. } => ErrorKind::Unavailable,
        }
    }

    fn dependency(&self) -> Option<Dependency> {
        self.kind().is_retryable().then_some(Dependency::Source)
    }
}
