//! What can go wrong between us and AWS Batch.

use domain::{Classify, ErrorKind};
use thiserror::Error;

/// AWS Batch refused a call or did not answer.
#[derive(Debug, Error)]
#[error("AWS Batch did not take the call {call}")]
pub struct BatchError {
    /// What was asked of it.
    pub call: &'static str,
    /// The SDK's error.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl Classify for BatchError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Unavailable
    }
}
