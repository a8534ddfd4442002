//! Errors of pipeline stages.

use std::time::Duration;

use domain::{Classify, Dependency, ErrorKind};

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
    /// What users may see.
    public_message: Option<String>,
    retry_after: Option<Duration>,
    is_handed_back: bool,
    dependency: Option<Dependency>,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// The reason on a document or operation if the cause is for the log only.
const INTERNAL_REASON: &str =
    "an internal error prevented it; retry it, or ask the operator, who finds the cause in the logs";

impl StageError {
    /// Creates an error of this kind.
    pub fn new(kind: ErrorKind, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let source: Box<dyn std::error::Error + Send + Sync> = source.into();
        let public_message = Some(source.to_string());
        Self { kind, public_message, retry_after: None, is_handed_back: false, dependency: None, source }
    }

    /// Creates the result of a message that is handed back to the queue because the invocation has no time for it.
    pub fn handed_back(reason: &'static str) -> Self {
        Self { is_handed_back: true, ..Self::new(ErrorKind::Unavailable, reason) }
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

    /// Returns whether nothing failed: the message is only handed back to the queue.
    pub fn is_handed_back(&self) -> bool {
        self.is_handed_back
    }

    /// Returns after which time a retry can succeed at the earliest, if whoever refused said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Returns what is unavailable, if that is why the message could not be handled.
    pub fn dependency(&self) -> Option<Dependency> {
        self.dependency
    }

    /// Returns what users see as the reason on a document or operation. The log has [`Self::chain`].
    pub fn reason(&self) -> String {
        self.public_message.clone().unwrap_or_else(|| INTERNAL_REASON.to_owned())
    }

    /// Returns the same error for another message. Errors cannot be cloned: this keeps the kind and the texts.
    pub fn copy(&self) -> Self {
        let source = self.chain().into();
        let public_message = self.public_message.clone();
        let (kind, retry_after, is_handed_back) = (self.kind, self.retry_after, self.is_handed_back);
        Self { kind, public_message, retry_after, is_handed_back, dependency: self.dependency, source }
    }

    /// Returns the error that it was made of, if it is one of this type.
    pub fn cause<E: std::error::Error + 'static>(&self) -> Option<&E> {
        self.source.downcast_ref()
    }

    /// Formats the error with its causes for the log, see [`error_chain`].
    pub fn chain(&self) -> String {
        error_chain(self.source.as_ref())
    }
}

impl<E: Classify + Send + Sync + 'static> From<E> for StageError {
    fn from(error: E) -> Self {
        let (public_message, retry_after) = (error.public_message(), error.retry_after());
        let (kind, dependency, is_handed_back) = (error.kind(), error.dependency(), false);
        Self { kind, public_message, retry_after, is_handed_back, dependency, source: Box::new(error) }
    }
}

impl std::fmt::Display for StageError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.chain())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("GetObject https://bucket.internal:9000/raw/1 answered <Code>NoSuchKey</Code>")]
    struct Backend;

    impl Classify for Backend {
        fn kind(&self) -> ErrorKind {
            ErrorKind::NotFound
        }

        fn public_message(&self) -> Option<String> {
            None
        }

        fn dependency(&self) -> Option<Dependency> {
            Some(Dependency::StagingBucket)
        }
    }

    #[test]
    fn reasons_do_not_repeat_what_a_backend_said() {
        let error = StageError::from(Backend);
        assert_eq!(
            (error.reason().as_str(), error.copy().reason().as_str()),
            (INTERNAL_REASON, INTERNAL_REASON)
        );
        assert!(error.chain().contains("NoSuchKey") && error.copy().chain().contains("NoSuchKey"));
        assert_eq!(StageError::new(ErrorKind::Invalid, "it is empty").reason(), "it is empty");
        let dependencies = [error.dependency(), error.copy().dependency()];
        assert_eq!(dependencies, [Some(Dependency::StagingBucket); 2]);
        assert!(error.cause::<Backend>().is_some() && error.copy().cause::<Backend>().is_none());
    }
}
