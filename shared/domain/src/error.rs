//! The one classification of errors. It decides both the HTTP status and whether a queue
//! message is retried or recorded as failed.

use serde::Serialize;

/// What kind of failure an error is, from its reader's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// What came in is not acceptable; sending it again cannot help.
    Invalid,
    /// Nobody is signed in, or the credentials do not hold.
    Unauthenticated,
    /// The caller is known and may not do this.
    Forbidden,
    /// The thing does not exist, or the caller may not know that it does.
    NotFound,
    /// The thing is in a state that does not allow this.
    Conflict,
    /// More was sent than is accepted.
    TooLarge,
    /// Too much too quickly; later it will work.
    Throttled,
    /// A part we depend on does not answer; later it will work.
    Unavailable,
    /// A defect of ours. Retried from a queue, since a later version may work.
    Internal,
}

impl ErrorKind {
    /// The HTTP status code that says the same.
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

    /// Whether the same message, delivered again, may succeed.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Throttled | Self::Unavailable | Self::Internal)
    }
}

/// Implemented by every error that can reach a handler.
pub trait Classify: std::error::Error {
    /// What kind of failure this is.
    fn kind(&self) -> ErrorKind;
}
