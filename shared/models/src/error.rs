//! What can be wrong with model folders.

use std::{io, path::PathBuf};

use domain::{Classify, ErrorKind};
use thiserror::Error;

/// A model that cannot be used, and what to do about it.
#[derive(Debug, Error)]
pub enum ModelsError {
    /// The folder of model folders cannot be listed, or a file in it cannot be read.
    #[error("cannot read {}; the models folder must be readable by this process", path.display())]
    Unreadable {
        /// What was read.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// No subfolder has a manifest.
    #[error(
        "no model in {}: none of its folders has a model.json; run scripts/make-model or put a model folder there",
        path.display()
    )]
    Empty {
        /// The folder that was searched.
        path: PathBuf,
    },
    /// A manifest is not JSON of the right shape.
    #[error("{} is not a model manifest", path.display())]
    Malformed {
        /// The manifest.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A manifest says something impossible.
    #[error("{}: {field} is {got}; {allowed}", path.display())]
    Contradictory {
        /// The manifest.
        path: PathBuf,
        /// The field that is wrong.
        field: &'static str,
        /// What it says.
        got: String,
        /// What it may say.
        allowed: String,
    },
    /// Two folders claim the same name.
    #[error(
        "{} and {} both call their model {name:?}; names must differ, remove one of the folders",
        first.display(),
        second.display()
    )]
    Duplicate {
        /// The name or short name.
        name: String,
        /// The folder that had it first.
        first: PathBuf,
        /// The folder that has it too.
        second: PathBuf,
    },
    /// A folder lacks a file that its manifest promises.
    #[error("the model folder {} lacks {file}; {remedy}", folder.display())]
    MissingFile {
        /// The model folder.
        folder: PathBuf,
        /// The file's name.
        file: String,
        /// What brings it there.
        remedy: &'static str,
    },
    /// A file is not the one that the manifest means.
    #[error(
        "{} is damaged or another file: its SHA-256 is {got}, model.json says {expected}; copy the folder anew",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its SHA-256, in hexadecimal.
        got: String,
        /// What the manifest says.
        expected: String,
    },
    /// The address of a bucket is none.
    #[error("the models' address is {got:?}; it must be s3://bucket/prefix")]
    NotAnAddress {
        /// What was given.
        got: String,
    },
    /// The models' bucket refused the call or did not answer.
    #[error("{url} did not take {call}; the function needs s3:ListBucket and s3:GetObject there")]
    Bucket {
        /// The object or prefix.
        url: String,
        /// What was asked.
        call: &'static str,
        /// The SDK's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file from a bucket could not be put on local disk.
    #[error("cannot write {}; models from S3 need that much ephemeral storage", path.display())]
    Unwritable {
        /// What was written.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The process may not start a thread.
    #[error("cannot start a thread that reads the models' bucket")]
    NoThread {
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Nobody knows a model of this name.
    #[error("there is no model {name:?}; choose one of {}", known.join(", "))]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names that exist.
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
            | Self::Malformed { .. }
            | Self::Contradictory { .. }
            | Self::Duplicate { .. }
            | Self::Damaged { .. }
            | Self::NotAnAddress { .. }
            | Self::Unwritable { .. }
            | Self::NoThread { .. }
            | Self::MissingFile { .. } => ErrorKind::Internal,
        }
    }
}
