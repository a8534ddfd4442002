//! Why a document cannot be chunked.

use domain::{ChunkSettingsError, Classify, ErrorKind};
use thiserror::Error;

use crate::FieldError;

/// Settings, a tokenizer or a text that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChunkingError {
    /// Chunk size or overlap is out of range.
    #[error("{field}: {0}", field = .0.field())]
    Settings(#[from] ChunkSettingsError),
    /// The model's special tokens leave no room for text.
    #[error("chunk_size: no room for text beside the model's {special} special tokens; at least {} allowed, got {chunk_size}", special + 8)]
    NoRoomForText {
        /// The requested size.
        chunk_size: u32,
        /// Tokens that the model adds to every text.
        special: u32,
    },
    /// The strategy or one of its parameters is invalid.
    #[error("{field}: {message}")]
    Strategy {
        /// The field.
        field: String,
        /// What is wrong, what is allowed and what was received.
        message: String,
    },
    /// The semantic strategy needs static vectors, and the model has none.
    #[error(
        "chunking_strategy: semantic needs static vectors, which this model's folder lacks; import the model again, or choose another strategy"
    )]
    NoStaticVectors,
    /// The file of static vectors is missing or invalid.
    #[error("the static vectors {path} cannot be opened: {reason}")]
    StaticVectorsFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `tokenizer.json` is missing or invalid.
    #[error("the tokenizer {path} cannot be opened: {reason}")]
    TokenizerFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The tokenizer refused a text.
    #[error("the tokenizer cannot read the text: {reason}")]
    Tokenize {
        /// The tokenizer's message.
        reason: String,
    },
}

impl From<Vec<FieldError>> for ChunkingError {
    fn from(errors: Vec<FieldError>) -> Self {
        let error = errors.into_iter().next();
        let (field, message) = error.map(|error| (error.field, error.message)).unwrap_or_default();
        Self::Strategy { field, message }
    }
}

impl Classify for ChunkingError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Settings(_)
            | Self::NoRoomForText { .. }
            | Self::Strategy { .. }
            | Self::NoStaticVectors => ErrorKind::Invalid,
            Self::TokenizerFile { .. } | Self::StaticVectorsFile { .. } | Self::Tokenize { .. } => {
                ErrorKind::Internal
            }
        }
    }

    fn public_message(&self) -> Option<String> {
        (self.kind() == ErrorKind::Invalid).then(|| self.to_string())
    }
}
