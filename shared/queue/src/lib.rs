//! SQS: typed messages, long polling, and S3 event notifications. The only user of aws-sdk-sqs.
//!
//! If SQS cannot be reached, every call returns [`QueueError::Call`], which is `Unavailable`.

mod arm;
mod consumer;
mod error;
mod notification;
mod queues;
mod sweep;

pub use consumer::{Consumer, ReceivedMessage};
pub use error::QueueError;
pub use notification::{S3Bucket, S3Entity, S3Notification, S3NotificationRecord, S3Object};
pub use queues::{QueueUrls, Queues, Stage};
pub use sweep::{MAX_ARMED, SweepQueue};
