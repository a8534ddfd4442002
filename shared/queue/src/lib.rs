//! SQS: typed sends, taking messages, and what a bucket tells through a queue. The only user of aws-sdk-sqs.

mod consumer;
mod error;
mod object_events;
mod queues;

pub use consumer::{Consumer, Received};
pub use error::QueueError;
pub use object_events::{Bucket, Object, ObjectEvent, ObjectEvents, ObjectLocation};
pub use queues::{QueueUrls, Queues, Stage};
