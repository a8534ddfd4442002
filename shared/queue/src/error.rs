//! What can go wrong between us and SQS.

use domain::{Classify, ErrorKind};
use thiserror::Error;

/// A queue that could not be used.
#[derive(Debug, Error)]
pub enum QueueError {
    /// This function was not told where the queue is.
    #[error("the URL of the {0} queue is not configured")]
    NotConfigured(&'static str),
    /// SQS refused the call or did not answer.
    #[error("the {queue} queue did not take the call {call}")]
    Call {
        /// The stage the queue belongs to, or its URL.
        queue: String,
        /// What was asked of it.
        call: &'static str,
        /// The SDK's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Some messages of a batch were refused.
    #[error("the {queue} queue refused {refused} messages, the first because {reason}")]
    Refused {
        /// The stage the queue belongs to.
        queue: &'static str,
        /// How many messages were refused.
        refused: usize,
        /// What SQS said of the first.
        reason: String,
    },
    /// A message could not be written as JSON: a defect of ours.
    #[error("a message could not be encoded")]
    Encode(#[from] serde_json::Error),
}

impl Classify for QueueError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Call { .. } | Self::Refused { .. } => ErrorKind::Unavailable,
            Self::NotConfigured(_) | Self::Encode(_) => ErrorKind::Internal,
        }
    }
}
