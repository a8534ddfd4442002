//! What can go wrong between us and Qdrant.

use domain::{Classify, ErrorKind};
use qdrant_client::QdrantError;
use thiserror::Error;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::payload::ATTRIBUTES;

/// A failed call. Cheap to clone: causes are kept as text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VectorsError {
    /// The address cannot be used.
    #[error("{url:?} is not a Qdrant address, expected http(s)://host:port: {reason}")]
    InvalidUrl {
        /// What was configured.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The Qdrant collection does not exist.
    #[error("qdrant: {message}")]
    NotFound {
        /// What Qdrant said.
        message: String,
    },
    /// The Qdrant collection exists and differs from what is asked for.
    #[error("qdrant collection {name} has {existing}, not {expected}; delete it or use another")]
    Conflict {
        /// The Qdrant collection.
        name: String,
        /// What it has.
        existing: String,
        /// What was asked for.
        expected: String,
    },
    /// The Qdrant collection was made without the vector that is asked for.
    #[error("qdrant collection lacks a vector: {message}")]
    VectorMissing {
        /// What Qdrant said.
        message: String,
    },
    /// The filter asks for attributes, and the Qdrant collection was made before points had any: none
    /// of them has. The next operation that indexes something makes the index.
    #[error("qdrant collection lacks the index of attributes: {message}")]
    AttributesMissing {
        /// What Qdrant said.
        message: String,
    },
    /// Qdrant refuses the request, and would again.
    #[error("qdrant refuses the request: {message}")]
    Refused {
        /// What Qdrant said.
        message: String,
    },
    /// Qdrant refuses our API key.
    #[error("qdrant refuses the configured API key: {message}")]
    Unauthorized {
        /// What Qdrant said.
        message: String,
    },
    /// Qdrant asks us to slow down.
    #[error("qdrant is at its limit: {message}")]
    Throttled {
        /// What Qdrant said.
        message: String,
    },
    /// Qdrant cannot be reached, or did not answer in time.
    #[error("qdrant does not answer: {message}")]
    Unavailable {
        /// What the client or Qdrant said.
        message: String,
    },
    /// Qdrant failed, or answered what it should not.
    #[error("qdrant failed: {message}")]
    Internal {
        /// What Qdrant said.
        message: String,
    },
    /// A point does not look like one of ours.
    #[error("point {id} of qdrant collection {name} cannot be read: {reason}")]
    Malformed {
        /// The Qdrant collection.
        name: String,
        /// The point, as Qdrant names it.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A payload cannot be written.
    #[error("payload of point {id} cannot be written: {reason}")]
    Unwritable {
        /// The point.
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
            Self::Refused { .. } => ErrorKind::Invalid,
            Self::Throttled { .. } => ErrorKind::Throttled,
            Self::Unavailable { .. } => ErrorKind::Unavailable,
            Self::InvalidUrl { .. }
            | Self::Unauthorized { .. }
            | Self::Internal { .. }
            | Self::Malformed { .. }
            | Self::Unwritable { .. } => ErrorKind::Internal,
        }
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
            VectorsError::Refused { message }
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

/// The client reports what befalls a connection with the code of a failed server.
fn is_transport(message: &str) -> bool {
    ["Failed to connect", "h2 protocol error", "transport error"]
        .iter()
        .any(|start| message.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_decide_what_is_retried() {
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
        assert_eq!(kind(Code::Unauthenticated, "no key"), ErrorKind::Internal);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_worth_another_try() {
        // Port 9 is never listened on here: the connection is refused at once.
        let config = crate::VectorsConfig::new("http://127.0.0.1:9");
        let store = crate::VectorStore::connect(&config).unwrap();
        assert_eq!(store.health().await.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(store.count("a").await.unwrap_err().kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn an_address_that_is_none_says_what_one_looks_like() {
        let config = crate::VectorsConfig::new("not an address");
        let error = crate::VectorStore::connect(&config).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("\"not an address\" is not a Qdrant address"), "{text}");
    }
}
