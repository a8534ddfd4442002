//! Errors of calls to SQS.

use domain::{Classify, Dependency, ErrorKind};
use thiserror::Error;

/// A failed call to a queue.
#[derive(Debug, Error)]
pub enum QueueError {
    /// The environment lacks the queue's URL.
    #[error("the URL of the {0} queue is not configured; set its environment variable")]
    NotConfigured(&'static str),
    /// The call failed: SQS rejected it or could not be reached.
    #[error("{call} on the {queue} queue failed")]
    Call {
        /// The queue's stage or URL.
        queue: String,
        /// The SQS action.
        call: &'static str,
        /// The SDK's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// SQS rejected some messages of a batch.
    #[error("the {queue} queue rejected {rejected} messages; reason of the first: {reason}")]
    Rejected {
        /// The queue's stage.
        queue: &'static str,
        /// The number of rejected messages.
        rejected: usize,
        /// The reason that SQS gives for the first.
        reason: String,
    },
    /// A message could not be serialized: a bug.
    #[error("a message could not be serialized")]
    Encode(#[from] serde_json::Error),
}

impl Classify for QueueError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Call { .. } | Self::Rejected { .. } => ErrorKind::Unavailable,
            Self::NotConfigured(_) | Self::Encode(_) => ErrorKind::Internal,
        }
    }

    fn public_message(&self) -> Option<String> {
        None
    }

    fn dependency(&self) -> Option<Dependency> {
        matches!(self, Self::Call { .. } | Self::Rejected { .. }).then_some(Dependency::Queue)
    }
}
