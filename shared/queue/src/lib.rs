//! SQS: typed sends, and what a bucket tells through a queue. The only user of aws-sdk-sqs.

mod error;
mod object_events;
mod queues;

pub use error::QueueError;
pub use object_events::{Bucket, Object, ObjectEvent, ObjectEvents, ObjectLocation};
pub use queues::{QueueUrls, Queues, Stage};
