//! Why a picture cannot be read.

use std::path::PathBuf;

use thiserror::Error;

/// A recognizer that cannot be opened, or has failed.
#[derive(Debug, Error)]
pub enum OcrError {
    /// ONNX Runtime cannot be loaded.
    #[error("ONNX Runtime cannot be loaded from {}: {reason}", library.display())]
    Runtime {
        /// The library.
        library: PathBuf,
        /// The cause.
        reason: String,
    },
    /// A model's file cannot be read.
    #[error("the OCR model {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A model's file is none that this crate can run.
    #[error("the OCR model {} cannot be used: {reason}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// A model has failed on a picture.
    #[error("the picture cannot be recognized")]
    Inference(#[from] ort::Error),
}
