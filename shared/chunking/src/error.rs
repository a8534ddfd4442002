//! Why text cannot be chunked.

use domain::{ChunkSettingsError, Classify, ErrorKind};
use thiserror::Error;

use crate::StrategyProblem;

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
    /// The strategy or one of its parameters cannot be used.
    #[error("{field}: {message}")]
    Strategy {
        /// The field.
        field: String,
        /// What came and what is allowed.
        message: String,
    },
    /// The semantic strategy without what it goes by.
    #[error(
        "chunking_strategy: semantic needs static vectors of the model's tokens, and this model's folder has none; make or import it anew, or choose another strategy"
    )]
    NoStaticVectors,
    /// The file of static vectors is missing or broken.
    #[error("the static vectors {path} cannot be opened: {reason}")]
    StaticVectorsFile {
        /// Where they were looked for.
        path: String,
        /// What is wrong with them.
        reason: String,
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

impl From<Vec<StrategyProblem>> for ChunkingError {
    fn from(problems: Vec<StrategyProblem>) -> Self {
        let problem = problems.into_iter().next();
        let (field, message) = problem.map(|problem| (problem.field, problem.message)).unwrap_or_default();
        Self::Strategy { field, message }
    }
}

impl Classify for ChunkingError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Settings(_) | Self::NoRoom { .. } | Self::Strategy { .. } | Self::NoStaticVectors => {
                ErrorKind::Invalid
            }
            Self::TokenizerFile { .. } | Self::StaticVectorsFile { .. } | Self::Tokenize { .. } => {
                ErrorKind::Internal
            }
        }
    }
}
