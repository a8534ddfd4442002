//! What a stage says when a message could not be handled.

use domain::{Classify, ErrorKind};

/// An error with its causes, outermost first, separated by colons: what a log line says.
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

/// An error on its way from a stage to the batch loop. Its kind decides whether the message is
/// delivered again.
#[derive(Debug)]
pub struct StageError {
    kind: ErrorKind,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl StageError {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into() }
    }

    /// Marks an error as one that another delivery cannot mend.
    pub fn permanent(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::new(ErrorKind::Invalid, error)
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the message should be delivered again.
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }

    /// The error with its causes, outermost first, separated by colons.
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
