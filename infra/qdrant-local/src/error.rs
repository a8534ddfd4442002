//! What can go wrong, worded and coded as Qdrant words and codes it.

use std::path::PathBuf;

use qdrant_edge::OperationError;
use thiserror::Error;
use tonic::{Code, Status};

/// A refused or failed call. Its message is what a Qdrant server would answer.
#[derive(Debug, Error)]
pub enum LocalError {
    /// No collection and no alias has this name.
    #[error("Not found: Collection `{0}` doesn't exist!")]
    CollectionNotFound(String),
    /// A collection or alias of this name is there already.
    #[error("Wrong input: Collection `{0}` already exists!")]
    CollectionExists(String),
    /// Something other than a collection is missing.
    #[error("Not found: {0}")]
    NotFound(String),
    /// The request contradicts the collection's definition.
    #[error("Wrong input: {0}")]
    BadInput(String),
    /// The request is refused as such, for example by strict mode.
    #[error("Bad request: {0}")]
    BadRequest(String),
    /// Qdrant can do this, this program cannot.
    #[error("qdrant-local does not serve {0}")]
    Unserved(String),
    /// The engine refused or failed.
    #[error(transparent)]
    Engine(#[from] OperationError),
    /// A file could not be read or written.
    #[error("Service internal error: {action} {path}: {source}")]
    File {
        /// What was tried, as a gerund.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A defect, here or in the engine.
    #[error("Service internal error: {0}")]
    Internal(String),
}

impl LocalError {
    /// Says that Qdrant knows `what` and this program does not.
    pub fn unserved(what: impl Into<String>) -> Self {
        Self::Unserved(what.into())
    }

    /// Wraps an error of the file system with what was tried on which path.
    pub fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    /// The gRPC code that a Qdrant server answers with.
    pub fn code(&self) -> Code {
        match self {
            Self::CollectionNotFound(_) | Self::NotFound(_) => Code::NotFound,
            Self::CollectionExists(_) => Code::AlreadyExists,
            Self::BadInput(_) | Self::BadRequest(_) => Code::InvalidArgument,
            Self::Unserved(_) => Code::Unimplemented,
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
    fn statuses_read_like_qdrants_own() {
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
                LocalError::unserved("Points/Facet"),
                Code::Unimplemented,
                "qdrant-local does not serve Points/Facet",
            ),
        ];
        for (error, code, message) in cases {
            let status = Status::from(error);
            assert_eq!(status.code(), code);
            assert_eq!(status.message(), message);
        }
    }
}
