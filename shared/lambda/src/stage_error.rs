//! Errors of pipeline stages.

use domain::{Classify, ErrorKind};

/// Formats an error with its causes for a log line: outermost first, separated by colons.
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The error of a stage that could not handle a message. Its kind decides whether the queue redelivers the
/// message.
#[derive(Debug)]
pub struct StageError {
    kind: ErrorKind,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl StageError {
    /// Creates an error of this kind.
    pub fn new(kind: ErrorKind, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into() }
    }

    /// Creates an error that a redelivery cannot repair.
    pub fn permanent(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::new(ErrorKind::Invalid, error)
    }

    /// Returns the classification of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns whether the queue should redeliver the message.
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }

    /// Formats the error with its causes, see [`error_chain`].
    pub fn chain(&self) -> String {
        error_chain(self.source.as_ref())
    }
}

impl<E: Classify + Send + Sync + 'static> From<E> for StageError {
    fn from(error: E) -> Self {
        Self { kind: error.kind(), source: Box::new(error) }
    }
}

impl std::fmt::Display for StageError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.chain())
    }
}
