//! Errors of calls to Qdrant.

use domain::{Classify, Dependency, ErrorKind};
use qdrant_client::QdrantError;
use secrets::SecretError;
use thiserror::Error;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::payload::ATTRIBUTES;

/// A failed call. Cheap to clone: causes are kept as text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VectorsError {
    /// The URL cannot be used.
    #[error("{url:?} is not a Qdrant URL; use http(s)://host:port: {reason}")]
    InvalidUrl {
        /// The configured URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The index does not exist.
    #[error("the Qdrant collection does not exist: {message}")]
    NotFound {
        /// Qdrant's message.
        message: String,
    },
    /// The index exists with other settings.
    #[error(
        "the Qdrant collection {name} has {existing} instead of {expected}; delete it or use another name"
    )]
    Conflict {
        /// The name of the Qdrant collection.
        name: String,
        /// Its settings.
        existing: String,
        /// The requested settings.
        expected: String,
    },
    /// The index was created without the vector that the request names.
    #[error("the Qdrant collection lacks a vector: {message}; reindex the collection")]
    VectorMissing {
        /// Qdrant's message.
        message: String,
    },
    /// The filter uses attributes, and the index was created before points had attributes, so none has any.
    /// The next operation that writes points creates the payload index.
    #[error("the Qdrant collection lacks the payload index of attributes: {message}")]
    AttributesMissing {
        /// Qdrant's message.
        message: String,
    },
    /// Qdrant rejected the request; a retry would not help.
    #[error("Qdrant rejected the request: {message}")]
    Rejected {
        /// Qdrant's message.
        message: String,
    },
    /// Qdrant rejected the API key.
    #[error("Qdrant rejected the API key; correct QdrantSecret: {message}")]
    Unauthorized {
        /// Qdrant's message.
        message: String,
    },
    /// The API key cannot be read.
    #[error("the API key of Qdrant is not available: {0}")]
    Credentials(#[from] SecretError),
    /// Qdrant's rate limit is exceeded.
    #[error("Qdrant's rate limit is exceeded: {message}")]
    Throttled {
        /// Qdrant's message.
        message: String,
    },
    /// Qdrant cannot be reached, or the call timed out.
    #[error("Qdrant is unavailable: {message}")]
    Unavailable {
        /// The message of the client or of Qdrant.
        message: String,
    },
    /// Qdrant failed, or sent an unexpected response.
    #[error("Qdrant failed: {message}")]
    Internal {
        /// Qdrant's message.
        message: String,
    },
    /// A point does not have the format of a chunk.
    #[error("point {id} of the Qdrant collection {name} cannot be decoded: {reason}")]
    Malformed {
        /// The name of the Qdrant collection.
        name: String,
        /// The point's id.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A payload cannot be encoded.
    #[error("the payload of point {id} cannot be encoded: {reason}")]
    Unwritable {
        /// The point's id.
        id: Uuid,
        /// What is wrong with it.
        reason: String,
    },
}

impl Classify for VectorsError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Conflict { .. } | Self::VectorMissing { .. } | Self::AttributesMissing { .. } => {
                ErrorKind::Conflict
            }
            Self::Rejected { .. } => ErrorKind::Invalid,
            Self::Throttled { .. } => ErrorKind::Throttled,
            // An operator repairs a wrong key; no document is to blame.
            Self::Unavailable { .. } | Self::Unauthorized { .. } | Self::Credentials(_) => {
                ErrorKind::Unavailable
            }
            Self::InvalidUrl { .. }
            | Self::Internal { .. }
            | Self::Malformed { .. }
            | Self::Unwritable { .. } => ErrorKind::Internal,
        }
    }

    fn public_message(&self) -> Option<String> {
        match self {
            Self::NotFound { .. } => {
                Some("the collection's index is missing; ask an administrator to rebuild it".to_owned())
            }
            Self::VectorMissing { .. } => {
                Some("the collection's index lacks a vector; reindex the collection".to_owned())
            }
            _ => None,
        }
    }

    fn dependency(&self) -> Option<Dependency> {
        let is_unavailable = matches!(
            self,
            Self::Throttled { .. }
                | Self::Unavailable { .. }
                | Self::Unauthorized { .. }
                | Self::Credentials(_)
                | Self::Internal { .. }
        );
        is_unavailable.then_some(Dependency::VectorDatabase)
    }
}

impl From<QdrantError> for VectorsError {
    fn from(error: QdrantError) -> Self {
        match error {
            QdrantError::ResponseError { status } => from_status(&status),
            QdrantError::ResourceExhaustedError { status, .. } => {
                Self::Throttled { message: status.message().to_owned() }
            }
            QdrantError::Io(error) => Self::Unavailable { message: error.to_string() },
            other => Self::Internal { message: other.to_string() },
        }
    }
}

fn from_status(status: &Status) -> VectorsError {
    let message = status.message().to_owned();
    match status.code() {
        Code::NotFound => VectorsError::NotFound { message },
        Code::InvalidArgument if message.contains("Not existing vector name") => {
            VectorsError::VectorMissing { message }
        }
        Code::InvalidArgument
            if message.contains(&format!("Index required but not found for {ATTRIBUTES:?}")) =>
        {
            VectorsError::AttributesMissing { message }
        }
        Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented | Code::AlreadyExists => {
            VectorsError::Rejected { message }
        }
        Code::Unauthenticated | Code::PermissionDenied => VectorsError::Unauthorized { message },
        Code::ResourceExhausted => VectorsError::Throttled { message },
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted | Code::Unknown => {
            VectorsError::Unavailable { message }
        }
        Code::Internal if is_transport(&message) => VectorsError::Unavailable { message },
        Code::Internal | Code::FailedPrecondition | Code::DataLoss | Code::Ok => {
            VectorsError::Internal { message }
        }
    }
}

/// Returns whether the message is of a broken connection, which the client reports with the code `Internal`.
fn is_transport(message: &str) -> bool {
    ["Failed to connect", "h2 protocol error", "transport error"]
        .iter()
        .any(|start| message.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_codes_decide_what_is_retried() {
        let kind = |code, message: &str| {
            let status = Status::new(code, message);
            VectorsError::from(QdrantError::ResponseError { status }).kind()
        };
        assert_eq!(kind(Code::InvalidArgument, "wrong dimension"), ErrorKind::Invalid);
        assert_eq!(kind(Code::NotFound, "no collection"), ErrorKind::NotFound);
        assert_eq!(kind(Code::Unavailable, "gone"), ErrorKind::Unavailable);
        assert_eq!(kind(Code::Internal, "Failed to connect to x: y"), ErrorKind::Unavailable);
        assert_eq!(kind(Code::Internal, "Service internal error"), ErrorKind::Internal);
        assert_eq!(kind(Code::ResourceExhausted, "slow down"), ErrorKind::Throttled);
        assert_eq!(kind(Code::Unauthenticated, "no key"), ErrorKind::Unavailable);
    }

    #[test]
    fn what_qdrant_said_is_for_the_log_only() {
        for code in (0..=16).map(Code::from_i32) {
            for message in [
                "secret",
                "Not existing vector name secret",
                "Index required but not found for \"attributes\"",
            ] {
                let status = Status::new(code, format!("{message} of 7b0f_minilm_f16"));
                let error = VectorsError::from(QdrantError::ResponseError { status });
                assert!(error.to_string().contains("7b0f_minilm_f16"), "{error}");
                let public = error.public_message().unwrap_or_default();
                assert!(!public.contains("secret") && !public.contains("minilm"), "{public}");
            }
        }
    }

    #[tokio::test]
    async fn an_unreachable_server_is_a_retryable_error() {
        // Nothing listens on port 9, so the connection is refused at once.
        let config = crate::VectorsConfig::new("http://127.0.0.1:9");
        let store = crate::VectorDatabase::connect(&config).unwrap();
        assert_eq!(store.health().await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(store.count("a").await.unwrap_err().kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn an_invalid_url_is_rejected_with_an_example() {
        let config = crate::VectorsConfig::new("not a url");
        let error = crate::VectorDatabase::connect(&config).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("\"not a url\" is not a Qdrant URL; use http(s)://host:port"), "{text}");
    }
}
