//! Why a document cannot be chunked.

use chunking::ChunkingError;
use domain::{Classify, ErrorKind};
use extraction::ExtractionError;
use models::ModelsError;
use thiserror::Error;

/// A document or its settings cannot be worked with.
#[derive(Debug, Error)]
pub enum PassagesError {
    /// Its bytes are no text that we can read.
    #[error(transparent)]
    Extraction(#[from] ExtractionError),
    /// Its text cannot be cut as the settings say.
    #[error(transparent)]
    Chunking(#[from] ChunkingError),
    /// The model's files are not there.
    #[error(transparent)]
    Models(#[from] ModelsError),
}

impl Classify for PassagesError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Extraction(error) => error.kind(),
            Self::Chunking(error) => error.kind(),
            Self::Models(error) => error.kind(),
        }
    }
}
