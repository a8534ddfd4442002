//! SQS: typed sends. The only user of aws-sdk-sqs.

mod error;
mod queues;

pub use error::QueueError;
pub use queues::{QueueUrls, Queues, Stage};
