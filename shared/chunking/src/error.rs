//! Why text cannot be chunked.

use domain::{ChunkSettingsError, Classify, ErrorKind};
use thiserror::Error;

/// Settings, a tokenizer or a text that cannot be worked with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChunkingError {
    /// Chunk size or overlap cannot be honoured.
    #[error("{field}: {0}", field = .0.field())]
    Settings(#[from] ChunkSettingsError),
    /// The special tokens leave no room for text.
    #[error("chunk_size {chunk_size} leaves no room beside the model's {special} special tokens; choose at least {}", special + 8)]
    NoRoom {
        /// The size that was asked for.
        chunk_size: u32,
        /// What the model adds to every text.
        special: u32,
    },
    /// No strategy has this name.
    #[error("chunking strategy {got:?} is not known; choose recursive, markdown or code")]
    UnknownStrategy {
        /// The name that came.
        got: String,
    },
    /// `tokenizer.json` is missing or broken.
    #[error("the tokenizer {path} cannot be opened: {reason}")]
    TokenizerFile {
        /// Where it was looked for.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The tokenizer refused a text.
    #[error("the tokenizer cannot read the text: {reason}")]
    Tokenize {
        /// What it said.
        reason: String,
    },
}

impl Classify for ChunkingError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Settings(_) | Self::NoRoom { .. } | Self::UnknownStrategy { .. } => ErrorKind::Invalid,
            Self::TokenizerFile { .. } | Self::Tokenize { .. } => ErrorKind::Internal,
        }
    }
}
