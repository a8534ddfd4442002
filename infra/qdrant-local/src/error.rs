//! Errors, with the messages and codes of a Qdrant server.

use std::path::PathBuf;

use qdrant_edge::OperationError;
use thiserror::Error;
use tonic::{Code, Status};

/// A rejected or failed call. Its message is that of a Qdrant server.
#[derive(Debug, Error)]
pub enum LocalError {
    /// No collection or alias has this name.
    #[error("Not found: Collection `{0}` doesn't exist!")]
    CollectionNotFound(String),
    /// A collection or alias with this name exists already.
    #[error("Wrong input: Collection `{0}` already exists!")]
    CollectionExists(String),
    /// Something other than a collection does not exist.
    #[error("Not found: {0}")]
    NotFound(String),
    /// The request contradicts the collection's configuration.
    #[error("Wrong input: {0}")]
    BadInput(String),
    /// The request is not allowed, for example by strict mode.
    #[error("Bad request: {0}")]
    BadRequest(String),
    /// Qdrant supports this, this program does not.
    #[error("qdrant-local does not support {0}")]
    Unsupported(String),
    /// The engine rejected the call or failed.
    #[error(transparent)]
    Engine(#[from] OperationError),
    /// A file cannot be read or written.
    #[error("Service internal error: {action} {path}: {source}")]
    File {
        /// The attempted action, as a gerund.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A bug, here or in the engine.
    #[error("Service internal error: {0}")]
    Internal(String),
}

impl LocalError {
    /// Creates an error for a feature of Qdrant that is not supported here.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported(what.into())
    }

    /// Wraps an I/O error with the attempted action and the path.
    pub fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// Returns the gRPC code that a Qdrant server would return.
    pub fn code(&self) -> Code {
        match self {
            Self::CollectionNotFound(_) | Self::NotFound(_) => Code::NotFound,
            Self::CollectionExists(_) => Code::AlreadyExists,
            Self::BadInput(_) | Self::BadRequest(_) => Code::InvalidArgument,
            Self::Unsupported(_) => Code::Unimplemented,
            Self::Engine(error) => engine_code(error),
            Self::File { .. } | Self::Internal(_) => Code::Internal,
        }
    }
}

impl From<LocalError> for Status {
    fn from(error: LocalError) -> Self {
        let code = error.code();
        let message = match &error {
            LocalError::Engine(engine) => engine_message(engine, code),
            other => other.to_string(),
        };
        if code == Code::Internal {
            tracing::error!(error = %error, "call failed");
        }
        Self::new(code, message)
    }
}

fn engine_code(error: &OperationError) -> Code {
    match error {
        OperationError::PointIdError { .. } => Code::NotFound,
        OperationError::Timeout { .. } => Code::DeadlineExceeded,
        OperationError::ServiceError { .. }
        | OperationError::InconsistentStorage { .. }
        | OperationError::OutOfMemory { .. }
        | OperationError::Cancelled { .. } => Code::Internal,
        OperationError::WrongVectorDimension { .. }
        | OperationError::VectorNameNotExists { .. }
        | OperationError::TypeError { .. }
        | OperationError::TypeInferenceError { .. }
        | OperationError::ValidationError { .. }
        | OperationError::WrongSparse
        | OperationError::WrongMulti
        | OperationError::MissingRangeIndexForOrderBy { .. }
        | OperationError::MissingMapIndexForFacet { .. }
        | OperationError::VariableTypeError { .. }
        | OperationError::NonFiniteNumber { .. } => Code::InvalidArgument,
    }
}

fn engine_message(error: &OperationError, code: Code) -> String {
    let prefix = match code {
        Code::NotFound => "Not found",
        Code::InvalidArgument => "Wrong input",
        Code::DeadlineExceeded => "Timeout",
        _ => "Service internal error",
    };
    format!("{prefix}: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_equal_those_of_qdrant() {
        let cases = [
            (
                LocalError::CollectionNotFound("a".to_owned()),
                Code::NotFound,
                "Not found: Collection `a` doesn't exist!",
            ),
            (
                LocalError::CollectionExists("a".to_owned()),
                Code::AlreadyExists,
                "Wrong input: Collection `a` already exists!",
            ),
            (
                LocalError::Engine(OperationError::WrongVectorDimension { expected_dim: 3, received_dim: 4 }),
                Code::InvalidArgument,
                "Wrong input: Vector dimension error: expected dim: 3, got 4",
            ),
            (
                LocalError::unsupported("Points/Facet"),
                Code::Unimplemented,
                "qdrant-local does not support Points/Facet",
            ),
        ];
        for (error, code, message) in cases {
            let status = Status::from(error);
            assert_eq!(status.code(), code);
            assert_eq!(status.message(), message);
        }
    }
}
