//! Errors of model folders.

use std::{io, path::PathBuf};

use domain::{Classify, Dependency, ErrorKind};
use thiserror::Error;

/// A model that cannot be used.
#[derive(Debug, Error)]
pub enum ModelsError {
    /// A directory or file cannot be read.
    #[error("cannot read {}; make it readable for this process", path.display())]
    Unreadable {
        /// The directory or file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// No folder of the directory has a manifest.
    #[error(
        "no model in {}: none of its folders has a model.json; run scripts/make-model or copy a model folder there",
        path.display()
    )]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// A manifest cannot be parsed.
    #[error("{} is not a valid model manifest", path.display())]
    Malformed {
        /// The manifest.
        path: PathBuf,
        /// The parser's error.
        #[source]
        source: serde_json::Error,
    },
    /// A field of a manifest has a value that is not allowed.
    #[error("{}: {field} is {got}; {allowed}", path.display())]
    InvalidField {
        /// The manifest.
        path: PathBuf,
        /// The name of the field.
        field: &'static str,
        /// Its value.
        got: String,
        /// What is allowed.
        allowed: String,
    },
    /// Two folders have the same model name.
    #[error(
        "{} and {} have the same model name {name:?}; remove one of the folders",
        first.display(),
        second.display()
    )]
    Duplicate {
        /// The name or short name that both have.
        name: String,
        /// The first folder.
        first: PathBuf,
        /// The second folder.
        second: PathBuf,
    },
    /// A folder lacks a file that its manifest names.
    #[error("the model folder {} lacks {file}; {remedy}", folder.display())]
    MissingFile {
        /// The model folder.
        folder: PathBuf,
        /// The file name.
        file: String,
        /// How to get the file.
        remedy: &'static str,
    },
    /// A file does not have the checksum in its manifest.
    #[error(
        "{} is damaged or another file: its SHA-256 is {got}, model.json has {expected}; copy the folder again",
        path.display()
    )]
    ChecksumMismatch {
        /// The file.
        path: PathBuf,
        /// Its SHA-256 in hexadecimal.
        got: String,
        /// The SHA-256 in the manifest.
        expected: String,
    },
    /// The URL of the models' bucket has the wrong form.
    #[error("the URL of the models is {got:?}; it must be s3://bucket/prefix")]
    InvalidUrl {
        /// The configured URL.
        got: String,
    },
    /// A call to the models' bucket failed: S3 rejected it or could not be reached.
    #[error("{call} failed for {url}; the function needs the permissions s3:ListBucket and s3:GetObject")]
    Bucket {
        /// The URL of the object or prefix.
        url: String,
        /// The S3 action.
        call: &'static str,
        /// The SDK's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A folder of the bucket has none of the files of a model.
    #[error("{url} has none of {files}; copy the model's folder there")]
    EmptyFolder {
        /// The URL of the folder.
        url: String,
        /// The files that it may have.
        files: String,
    },
    /// A file from the bucket cannot be written to local disk.
    #[error("cannot write {}; models from S3 need enough ephemeral storage", path.display())]
    Unwritable {
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The thread or runtime that reads the bucket cannot be started.
    #[error("cannot start a thread to read the models' bucket")]
    Runtime {
        /// The cause.
        source: io::Error,
    },
    /// There is no model with this name.
    #[error("unknown model; {} allowed, got {name:?}", known.join(", "))]
    Unknown {
        /// The requested name.
        name: String,
        /// The names of the existing models.
        known: Vec<String>,
    },
}

impl Classify for ModelsError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unknown { .. } => ErrorKind::Invalid,
            Self::Bucket { .. } => ErrorKind::Unavailable,
            Self::Unreadable { .. }
            | Self::Empty { .. }
            | Self::EmptyFolder { .. }
            | Self::Malformed { .. }
            | Self::InvalidField { .. }
            | Self::Duplicate { .. }
            | Self::ChecksumMismatch { .. }
            | Self::InvalidUrl { .. }
            | Self::Unwritable { .. }
            | Self::Runtime { .. }
            | Self::MissingFile { .. } => ErrorKind::Internal,
        }
    }

    fn public_message(&self) -> Option<String> {
        matches!(self, Self::Unknown { .. }).then(|| self.to_string())
    }

    fn dependency(&self) -> Option<Dependency> {
        self.kind().is_retryable().then_some(Dependency::Embedding)
    }
}
