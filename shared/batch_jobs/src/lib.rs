//! AWS Batch: submits jobs of one kind, says which are under way, and ends them. The only user of
//! aws-sdk-batch.
//!
//! `AWS_ENDPOINT_URL_BATCH` leads the SDK elsewhere: on one machine to the runner of `scripts/stack`.

mod error;
mod jobs;

pub use error::BatchError;
pub use jobs::{BatchJobs, FailedJob, Job, JobUnderWay};
