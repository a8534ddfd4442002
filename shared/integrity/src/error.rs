//! Errors of a check.

use artifacts::ArtifactError;
use db::DbError;
use domain::{Classify, Dependency, ErrorKind};
use thiserror::Error;
use vectors::VectorsError;

/// A store that could not be read.
#[derive(Debug, Error)]
pub enum IntegrityError {
    /// PostgreSQL.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The staging bucket.
    #[error(transparent)]
    Artifacts(#[from] ArtifactError),
    /// Qdrant.
    #[error(transparent)]
    Vectors(#[from] VectorsError),
}

impl Classify for IntegrityError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Db(error) => error.kind(),
            Self::Artifacts(error) => error.kind(),
            Self::Vectors(error) => error.kind(),
        }
    }

    fn public_message(&self) -> Option<String> {
        match self {
            Self::Db(error) => error.public_message(),
            Self::Artifacts(error) => error.public_message(),
            Self::Vectors(error) => error.public_message(),
        }
    }

    fn dependency(&self) -> Option<Dependency> {
        match self {
            Self::Db(error) => error.dependency(),
            Self::Artifacts(error) => error.dependency(),
            Self::Vectors(error) => error.dependency(),
        }
    }
}
