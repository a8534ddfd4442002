//! Why an operation cannot be started.

use db::DbError;
use domain::{Classify, CollectionId, ErrorKind, SourceId};
use http::{HeaderValue, header};
use lambda::StageError;
use lambda::http::ApiError;
use thiserror::Error;

/// Why an operation cannot be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The collection does not exist or is deleted.
    #[error("no such collection: {0}")]
    NoCollection(CollectionId),
    /// The collection has no such source.
    #[error("no such source: {0}")]
    NoSource(SourceId),
    /// A quota of the collection is used up.
    #[error(transparent)]
    Quota(#[from] QuotaExceeded),
    /// A statement failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl StartError {
    /// The name of the violated constraint, if that is the reason.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Db(error) => error.constraint(),
            _ => None,
        }
    }
}

/// The quota that a request exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum QuotaExceeded {
    /// Too many operations were started in the last hour.
    #[error(
        "{used} of at most {limit} operations were started on the collection in the last hour; try again in \
         {retry_after_secs} seconds, or ask an administrator for a higher limit"
    )]
    OperationsPerHour {
        /// Operations of the last hour.
        used: i64,
        /// The quota.
        limit: i64,
        /// Seconds until enough of them are older than an hour.
        retry_after_secs: i64,
    },
    /// One request would start more operations than may be started in an hour.
    #[error(
        "this would start {new} operations, and at most {limit} may be started in an hour; ask an \
         administrator for a higher limit"
    )]
    OperationsAtOnce {
        /// Operations of the request.
        new: i64,
        /// The quota.
        limit: i64,
    },
    /// The collection has as many sources as it may have.
    #[error(
        "the collection has {used} of at most {limit} sources; remove one, or ask an administrator for a \
         higher limit"
    )]
    Sources {
        /// Sources besides uploads.
        used: i64,
        /// The quota.
        limit: i64,
    },
}

impl QuotaExceeded {
    /// When the same request can succeed, if time alone helps.
    pub const fn retry_after_secs(self) -> Option<i64> {
        match self {
            Self::OperationsPerHour { retry_after_secs, .. } => Some(retry_after_secs),
            Self::OperationsAtOnce { .. } | Self::Sources { .. } => None,
        }
    }
}

impl Classify for QuotaExceeded {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::OperationsPerHour { .. } => ErrorKind::Throttled,
            Self::OperationsAtOnce { .. } | Self::Sources { .. } => ErrorKind::Conflict,
        }
    }
}

// Not `Classify`: that would make it an `ApiError` without `Retry-After`.
impl From<StartError> for ApiError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::NoCollection(id) => Self::not_found("collection", id),
            StartError::NoSource(id) => Self::not_found("source", id),
            StartError::Quota(exceeded) => {
                let api_error = Self::new(exceeded.kind(), exceeded.to_string());
                match exceeded.retry_after_secs() {
                    Some(seconds) => api_error.with_header(header::RETRY_AFTER, HeaderValue::from(seconds)),
                    None => api_error,
                }
            }
            StartError::Db(error) => error.into(),
        }
    }
}

impl From<StartError> for StageError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Db(error) => error.into(),
            StartError::Quota(exceeded) => exceeded.into(),
            StartError::NoCollection(_) | StartError::NoSource(_) => Self::new(ErrorKind::NotFound, error),
        }
    }
}
