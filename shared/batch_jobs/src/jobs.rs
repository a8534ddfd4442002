//! The jobs of one job definition in one job queue.

use aws_config::SdkConfig;
use aws_sdk_batch::types::{ContainerOverrides, JobStatus, KeyValuePair};

use crate::BatchError;

/// A job that is not over yet. A job that is retried is one of these again.
const UNDER_WAY: [JobStatus; 5] =
    [JobStatus::Submitted, JobStatus::Pending, JobStatus::Runnable, JobStatus::Starting, JobStatus::Running];

/// Submits and looks after jobs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BatchJobs {
    client: aws_sdk_batch::Client,
    queue: String,
    definition: String,
}

/// A job that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobUnderWay {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// One job as AWS Batch describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// `SUBMITTED` to `SUCCEEDED` or `FAILED`.
    pub status: String,
    /// What its program ended with, once it has.
    pub exit_code: Option<i32>,
}

impl Job {
    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        ["SUCCEEDED", "FAILED"].contains(&self.status.as_str())
    }
}

impl BatchJobs {
    /// A client for jobs of this definition in this queue, both by name or ARN.
    pub fn new(config: &SdkConfig, queue: &str, definition: &str) -> Self {
        Self {
            client: aws_sdk_batch::Client::new(config),
            queue: queue.to_owned(),
            definition: definition.to_owned(),
        }
    }

    /// All jobs in the queue that are not over, of whatever definition.
    ///
    /// # Errors
    /// When AWS Batch does not answer.
    pub async fn list_under_way(&self) -> Result<Vec<JobUnderWay>, BatchError> {
        let mut under_way: Vec<JobUnderWay> = Vec::new();
        for status in UNDER_WAY {
            let mut next_token = None;
            loop {
                let request = self.client.list_jobs().job_queue(&self.queue).job_status(status.clone());
                let page = request.set_next_token(next_token).send().await;
                let page = page.map_err(|error| failed("ListJobs", error))?;
                let jobs = page.job_summary_list.unwrap_or_default();
                let jobs = jobs.into_iter().map(|job| JobUnderWay {
                    id: job.job_id.unwrap_or_default(),
                    name: job.job_name.unwrap_or_default(),
                });
                for job in jobs {
                    // One that goes on to its next status meanwhile is listed there, too.
                    if !under_way.contains(&job) {
                        under_way.push(job);
                    }
                }
                next_token = page.next_token;
                if next_token.is_none() {
                    break;
                }
            }
        }
        Ok(under_way)
    }

    /// Submits a job with more or other environment variables than the definition has. Returns its id.
    ///
    /// # Errors
    /// When AWS Batch does not take it.
    pub async fn submit(&self, name: &str, environment: &[(&str, &str)]) -> Result<String, BatchError> {
        let variable =
            |(name, value): &(&str, &str)| KeyValuePair::builder().name(*name).value(*value).build();
        let overrides = ContainerOverrides::builder()
            .set_environment(Some(environment.iter().map(variable).collect()))
            .build();
        let request = self.client.submit_job().job_name(name).job_queue(&self.queue);
        let request = request.job_definition(&self.definition).container_overrides(overrides);
        let answer = request.send().await.map_err(|error| failed("SubmitJob", error))?;
        Ok(answer.job_id.unwrap_or_default())
    }

    /// The job of this id, for about a day after its end.
    ///
    /// # Errors
    /// When AWS Batch does not answer.
    pub async fn find(&self, id: &str) -> Result<Option<Job>, BatchError> {
        let answer = self.client.describe_jobs().jobs(id).send().await;
        let answer = answer.map_err(|error| failed("DescribeJobs", error))?;
        let job = answer.jobs.unwrap_or_default().into_iter().next();
        Ok(job.map(|job| Job {
            name: job.job_name.unwrap_or_default(),
            status: job.status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
            exit_code: job.container.and_then(|container| container.exit_code),
        }))
    }

    /// Tells the job to end, as AWS does before it takes a spot instance back.
    ///
    /// # Errors
    /// When AWS Batch does not answer.
    pub async fn terminate(&self, id: &str, reason: &str) -> Result<(), BatchError> {
        let request = self.client.terminate_job().job_id(id).reason(reason);
        request.send().await.map_err(|error| failed("TerminateJob", error))?;
        Ok(())
    }
}

fn failed(call: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BatchError {
    BatchError { call, source: source.into() }
}
