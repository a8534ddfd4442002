//! Errors of tokenizing and embedding.

use std::{io, path::PathBuf};

use domain::{Classify, Dependency, ErrorKind};
use models::ModelsError;
use thiserror::Error;

/// A model that cannot be opened or run.
#[derive(Debug, Error)]
pub enum EmbeddingError {
    /// The library file does not exist or cannot be read.
    #[error("cannot read ONNX Runtime at {}; set ORT_DYLIB_PATH to libonnxruntime.so", library.display())]
    LibraryMissing {
        /// The configured path.
        library: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The library is not a compatible ONNX Runtime.
    #[error("{} cannot be used as ONNX Runtime", library.display())]
    LibraryUnusable {
        /// The library.
        library: PathBuf,
        /// The loader's error.
        #[source]
        source: ort::LoadDynamicError,
    },
    /// The process has loaded another ONNX Runtime; it can load only one.
    #[error(
        "this process already uses ONNX Runtime from {}, it cannot load {} as well",
        loaded.display(),
        requested.display()
    )]
    LibraryConflict {
        /// The loaded library.
        loaded: PathBuf,
        /// The requested library.
        requested: PathBuf,
    },
    /// ONNX Runtime cannot be initialized.
    #[error("ONNX Runtime from {} cannot be initialized", library.display())]
    Start {
        /// The library.
        library: PathBuf,
        /// The runtime's error.
        #[source]
        source: ort::Error,
    },
    /// The model is unknown, or its folder is incomplete.
    #[error(transparent)]
    Model(#[from] ModelsError),
    /// The tokenizer cannot be loaded.
    #[error("{} is not a valid tokenizer", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// The tokenizer library's error.
        #[source]
        source: tokenizers::Error,
    },
    /// The manifest contradicts the files beside it.
    #[error("the manifest of {model} has {field} {said}, but {found}; correct model.json")]
    ManifestMismatch {
        /// The model's name.
        model: String,
        /// The name of the wrong field.
        field: &'static str,
        /// Its value.
        said: String,
        /// What the files have.
        found: String,
    },
    /// ONNX Runtime cannot load the graph.
    #[error("{} is not a valid graph", path.display())]
    Graph {
        /// The file.
        path: PathBuf,
        /// The runtime's error.
        #[source]
        source: ort::Error,
    },
    /// The graph's inputs or outputs are not those of a text encoder as Hugging Face exports it.
    #[error("{}: {reason}", path.display())]
    GraphShape {
        /// The file.
        path: PathBuf,
        /// What it has, and what is required.
        reason: String,
    },
    /// The folder of a cross-encoder is incomplete.
    #[error("{} is not a cross-encoder: {reason}", folder.display())]
    Reranker {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// The name of the execution provider is unknown.
    #[error("there is no execution provider {got:?}; choose cpu or cuda")]
    UnknownProvider {
        /// The configured name.
        got: String,
    },
    /// A text cannot be tokenized.
    #[error("a text cannot be tokenized")]
    Tokenize(#[source] tokenizers::Error),
    /// ONNX Runtime failed on a batch.
    #[error("the model failed on a batch of {rows} texts of {sequence} tokens")]
    Inference {
        /// The number of texts.
        rows: usize,
        /// The number of tokens of each, including padding.
        sequence: usize,
        /// The runtime's error.
        #[source]
        source: ort::Error,
    },
    /// The model returned NaN or infinity.
    #[error("the model {model} returned a vector with NaN or infinity; its files may be damaged")]
    NotFinite {
        /// The model's name.
        model: String,
    },
}

impl Classify for EmbeddingError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Model(error) => error.kind(),
            // All of these concern our own files, never the text.
            Self::LibraryMissing { .. }
            | Self::LibraryUnusable { .. }
            | Self::LibraryConflict { .. }
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

    fn public_message(&self) -> Option<String> {
        match self {
            Self::Model(error) => error.public_message(),
            _ => None,
        }
    }

    fn dependency(&self) -> Option<Dependency> {
        self.kind().is_retryable().then_some(Dependency::Embedding)
    }
}
