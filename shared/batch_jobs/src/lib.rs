//! AWS Batch: submits jobs, lists those that are active, terminates them. The only user of aws-sdk-batch.
//!
//! The SDK's variable `AWS_ENDPOINT_URL_BATCH` points it at another endpoint, such as the runner of
//! `scripts/stack`. If AWS Batch cannot be reached, every call returns a [`BatchError`], which is `Unavailable`.

mod error;
mod jobs;

pub use error::BatchError;
pub use jobs::{ActiveJob, BatchJobs, FailedJob, Job};
