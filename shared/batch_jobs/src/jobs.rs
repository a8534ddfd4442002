//! The jobs of one job definition in one job queue.

use aws_config::SdkConfig;
use aws_sdk_batch::types::{ContainerOverrides, JobStatus, JobSummary, KeyValuePair};
use chrono::{DateTime, Utc};

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

/// A job that failed, all of its tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedJob {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it ended.
    pub stopped_at: DateTime<Utc>,
    /// Why, in AWS Batch's words; empty where it says nothing.
    pub reason: String,
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
            for job in self.list(status).await? {
                let id = job.job_id.unwrap_or_default();
                let job = JobUnderWay { id, name: job.job_name.unwrap_or_default() };
                // One that goes on to its next status meanwhile is listed there, too.
                if !under_way.contains(&job) {
                    under_way.push(job);
                }
            }
        }
        Ok(under_way)
    }

    /// The jobs in the queue that failed, of whatever definition, as long as AWS Batch remembers them.
    ///
    /// # Errors
    /// When AWS Batch does not answer.
    pub async fn list_failed(&self) -> Result<Vec<FailedJob>, BatchError> {
        let jobs = self.list(JobStatus::Failed).await?.into_iter().filter_map(|job| {
            let stopped_at = job.stopped_at.and_then(DateTime::from_timestamp_millis)?;
            Some(FailedJob {
                id: job.job_id.unwrap_or_default(),
                name: job.job_name.unwrap_or_default(),
                stopped_at,
                reason: job.status_reason.unwrap_or_default(),
            })
        });
        Ok(jobs.collect())
    }

    /// All jobs in the queue that have this status.
    async fn list(&self, status: JobStatus) -> Result<Vec<JobSummary>, BatchError> {
        let mut jobs = Vec::new();
        let mut next_token = None;
        loop {
            let request = self.client.list_jobs().job_queue(&self.queue).job_status(status.clone());
            let page = request.set_next_token(next_token).send().await;
            let page = page.map_err(|error| failed("ListJobs", error))?;
            jobs.extend(page.job_summary_list.unwrap_or_default());
            next_token = page.next_token;
            if next_token.is_none() {
                return Ok(jobs);
            }
        }
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
