//! Errors of calls to AWS Batch.

use domain::{Classify, ErrorKind};
use thiserror::Error;

/// A failed call: AWS Batch rejected it or could not be reached.
#[derive(Debug, Error)]
#[error("the AWS Batch call {call} failed")]
pub struct BatchError {
    /// The AWS Batch action.
    pub call: &'static str,
    /// The SDK's error.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl Classify for BatchError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Unavailable
    }

    fn public_message(&self) -> Option<String> {
        None
    }
}
