//! The error classification. It determines the HTTP status, and whether a queue message is retried or
//! recorded as failed.

use std::time::Duration;

use serde::Serialize;

/// Classes of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The input is not valid; repeating the request cannot help.
    Invalid,
    /// No credentials, or credentials that are not valid.
    Unauthenticated,
    /// The caller is not allowed to do this.
    Forbidden,
    /// The resource does not exist, or the caller may not know that it does.
    NotFound,
    /// The resource's state does not allow this.
    Conflict,
    /// The request or the document is too large.
    TooLarge,
    /// A rate limit or the throughput of a dependency is exceeded; retry later.
    Throttled,
    /// A dependency is not available; retry later.
    Unavailable,
    /// A defect of the program. Queue messages are retried, since a later version may handle them.
    Internal,
}

impl ErrorKind {
    /// Returns the HTTP status code of this class.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Invalid => 422,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::Throttled => 429,
            Self::Unavailable => 503,
            Self::Internal => 500,
        }
    }

    /// Returns whether redelivery of the message may succeed.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable | Self::Internal)
    }
}

/// What functions depend on. An error that names one says that it is unavailable, not that the work is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dependency {
    /// PostgreSQL.
    Database,
    /// Qdrant.
    VectorDatabase,
    /// The staging bucket.
    StagingBucket,
    /// SQS.
    Queue,
    /// The embedding model: its files or ONNX Runtime.
    Embedding,
    /// The server that a source is read from.
    Source,
}

impl Dependency {
    /// Returns the name in metrics, logs and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::VectorDatabase => "vector_database",
            Self::StagingBucket => "staging_bucket",
            Self::Queue => "queue",
            Self::Embedding => "embedding",
            Self::Source => "source",
        }
    }
}

/// Implemented by every error that can reach a handler.
pub trait Classify: std::error::Error {
    /// Returns the class of this error.
    fn kind(&self) -> ErrorKind;

    /// Returns the text that users may see, in a response or as the reason on a document; `None` if the error's
    /// text is for the log only. Errors that repeat what PostgreSQL, S3, SQS, Qdrant or ONNX Runtime said, or
    /// name objects in them, override this.
    fn public_message(&self) -> Option<String> {
        Some(self.to_string())
    }

    /// Returns after which time a retry can succeed at the earliest, if whoever refused said so.
    fn retry_after(&self) -> Option<Duration> {
        None
    }

    /// Returns what is unavailable, if that is the error.
    fn dependency(&self) -> Option<Dependency> {
        None
    }
}
