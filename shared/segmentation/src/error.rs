//! Why a document cannot be chunked.

use chunking::ChunkingError;
use domain::{Classify, ErrorKind};
use extraction::ExtractionError;
use frames::codec::DecodeError;
use models::ModelsError;
use thiserror::Error;

/// A document, or the settings for it, that cannot be used.
#[derive(Debug, Error)]
pub enum SegmentationError {
    /// The document cannot be read.
    #[error(transparent)]
    Extraction(#[from] ExtractionError),
    /// Only OCR reads the format, and the collection does not use it.
    #[error("{format} is read by OCR only, and {reason}")]
    NeedsOcr {
        /// The format's name with its article.
        format: &'static str,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// The text artifact is damaged or incomplete: a bug, or it was written by another version.
    #[error("the extracted text cannot be read")]
    Frames(#[from] DecodeError),
    /// The text cannot be chunked with these settings.
    #[error(transparent)]
    Chunking(#[from] ChunkingError),
    /// The model's files are missing or damaged.
    #[error(transparent)]
    Models(#[from] ModelsError),
}

impl Classify for SegmentationError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Extraction(error) => error.kind(),
            Self::NeedsOcr { .. } => ErrorKind::Invalid,
            Self::Frames(_) => ErrorKind::Internal,
            Self::Chunking(error) => error.kind(),
            Self::Models(error) => error.kind(),
        }
    }

    fn public_message(&self) -> Option<String> {
        match self {
            Self::Extraction(error) => error.public_message(),
            Self::NeedsOcr { .. } => Some(self.to_string()),
            Self::Frames(_) => None,
            Self::Chunking(error) => error.public_message(),
            Self::Models(error) => error.public_message(),
        }
    }
}
