//! What can go wrong between a text and its vector.

use std::{io, path::PathBuf};

use domain::{Classify, ErrorKind};
use models::ModelsError;
use thiserror::Error;

/// A model that cannot be opened or run.
#[derive(Debug, Error)]
pub enum EmbeddingError {
    /// The library file is not there or not readable.
    #[error("cannot read ONNX Runtime at {}; set ORT_DYLIB_PATH to libonnxruntime.so", library.display())]
    LibraryMissing {
        /// Where it was looked for.
        library: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The library is not an ONNX Runtime that this program can use.
    #[error("{} cannot be used as ONNX Runtime", library.display())]
    LibraryUnusable {
        /// The library.
        library: PathBuf,
        /// The loader's error.
        #[source]
        source: ort::LoadDynamicError,
    },
    /// A process can load one ONNX Runtime, and it has another one.
    #[error(
        "this process already runs ONNX Runtime from {}, it cannot load {} too",
        loaded.display(),
        requested.display()
    )]
    LibraryTaken {
        /// The one that is loaded.
        loaded: PathBuf,
        /// The one that was asked for.
        requested: PathBuf,
    },
    /// ONNX Runtime does not start.
    #[error("ONNX Runtime from {} does not start", library.display())]
    Start {
        /// The library.
        library: PathBuf,
        /// The runtime's error.
        #[source]
        source: ort::Error,
    },
    /// The model folder is incomplete.
    #[error(transparent)]
    Model(#[from] ModelsError),
    /// The tokenizer file cannot be read or understood.
    #[error("{} is not a usable tokenizer", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// The tokenizer library's error.
        #[source]
        source: tokenizers::Error,
    },
    /// The manifest does not describe the files beside it.
    #[error("the manifest of {model} says {field} {said}, but {found}; correct model.json")]
    ManifestMismatch {
        /// The model's name.
        model: String,
        /// The field that is wrong.
        field: &'static str,
        /// What it says.
        said: String,
        /// What the files say.
        found: String,
    },
    /// ONNX Runtime refuses the graph.
    #[error("{} is not a usable graph", path.display())]
    Graph {
        /// The file.
        path: PathBuf,
        /// The runtime's error.
        #[source]
        source: ort::Error,
    },
    /// The graph is not a text encoder as Hugging Face exports them.
    #[error("{}: {reason}", path.display())]
    GraphShape {
        /// The file.
        path: PathBuf,
        /// What it has, and what is needed.
        reason: String,
    },
    /// The folder of a cross-encoder is incomplete.
    #[error("{} is no cross-encoder: {reason}", folder.display())]
    Reranker {
        /// The folder.
        folder: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// There is no execution provider of this name.
    #[error("there is no execution provider {got:?}; there are cpu and cuda")]
    UnknownProvider {
        /// The name.
        got: String,
    },
    /// The caller gave up while the model was at work.
    #[error("embedding was given up")]
    DeadLetter,
    /// A text cannot be turned into tokens.
    #[error("a text cannot be turned into tokens")]
    Tokenize(#[source] tokenizers::Error),
    /// ONNX Runtime failed on a batch.
    #[error("the model failed on a batch of {rows} texts and {sequence} tokens each")]
    Inference {
        /// Texts in the batch.
        rows: usize,
        /// Tokens of each, padding included.
        sequence: usize,
        /// The runtime's error.
        #[source]
        source: ort::Error,
    },
    /// The model answered with something that is not a vector of numbers.
    #[error("the model {model} returned a vector that is not finite; its files may be damaged")]
    NotFinite {
        /// The model's name.
        model: String,
    },
}

impl Classify for EmbeddingError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Model(error) => error.kind(),
            Self::DeadLetter => ErrorKind::Unavailable,
            // All of these are about our own files, whatever the text was.
            Self::LibraryMissing { .. }
            | Self::LibraryUnusable { .. }
            | Self::LibraryTaken { .. }
            | Self::Start { .. }
            | Self::Tokenizer { .. }
            | Self::ManifestMismatch { .. }
            | Self::Graph { .. }
            | Self::GraphShape { .. }
            | Self::Reranker { .. }
            | Self::UnknownProvider { .. }
            | Self::Tokenize(_)
            | Self::Inference { .. }
            | Self::NotFinite { .. } => ErrorKind::Internal,
        }
    }
}
