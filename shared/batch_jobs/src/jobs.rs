//! Jobs of one job definition in one job queue.

use aws_config::SdkConfig;
use aws_sdk_batch::types::{ContainerOverrides, JobStatus, JobSummary, KeyValuePair};
use chrono::{DateTime, Utc};

use crate::BatchError;

/// The statuses of jobs that have not finished. A job that is retried has one of them again.
const ACTIVE: [JobStatus; 5] =
    [JobStatus::Submitted, JobStatus::Pending, JobStatus::Runnable, JobStatus::Starting, JobStatus::Running];

/// Submits, lists and terminates jobs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BatchJobs {
    client: aws_sdk_batch::Client,
    queue: String,
    definition: String,
}

/// A job that has not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveJob {
    /// The job's id.
    pub id: String,
    /// The job's name.
    pub name: String,
}

/// A job whose attempts have all failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedJob {
    /// The job's id.
    pub id: String,
    /// The job's name.
    pub name: String,
    /// When it stopped.
    pub stopped_at: DateTime<Utc>,
    /// AWS Batch's reason; may be empty.
    pub reason: String,
}

/// A job as AWS Batch describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The job's name.
    pub name: String,
    /// The status: `SUBMITTED`, …, `SUCCEEDED` or `FAILED`.
    pub status: String,
    /// The exit code of its container, once that has exited.
    pub exit_code: Option<i32>,
}

impl Job {
    /// Returns whether the job has succeeded or failed.
    pub fn is_finished(&self) -> bool {
        ["SUCCEEDED", "FAILED"].contains(&self.status.as_str())
    }
}

impl BatchJobs {
    /// Creates a client for a job definition and a job queue, each a name or an ARN.
    pub fn new(config: &SdkConfig, queue: &str, definition: &str) -> Self {
        Self {
            client: aws_sdk_batch::Client::new(config),
            queue: queue.to_owned(),
            definition: definition.to_owned(),
        }
    }

    /// Lists all jobs of the queue that have not finished, whatever their definition.
    pub async fn list_active(&self) -> Result<Vec<ActiveJob>, BatchError> {
        let mut active: Vec<ActiveJob> = Vec::new();
        for status in ACTIVE {
            for job in self.list(status).await? {
                let id = job.job_id.unwrap_or_default();
                let job = ActiveJob { id, name: job.job_name.unwrap_or_default() };
                // A job that moves to the next status meanwhile is listed there again.
                if !active.contains(&job) {
                    active.push(job);
                }
            }
        }
        Ok(active)
    }

    /// Lists the failed jobs of the queue, whatever their definition. AWS Batch forgets them after some days.
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

    /// Lists all jobs of the queue with this status.
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

    /// Submits a job. `environment` is added to the variables of the job definition. Returns the job's id.
    pub async fn submit(&self, name: &str, environment: &[(&str, &str)]) -> Result<String, BatchError> {
        let variable =
            |(name, value): &(&str, &str)| KeyValuePair::builder().name(*name).value(*value).build();
        let overrides = ContainerOverrides::builder()
            .set_environment(Some(environment.iter().map(variable).collect()))
            .build();
        let request = self.client.submit_job().job_name(name).job_queue(&self.queue);
        let request = request.job_definition(&self.definition).container_overrides(overrides);
        let response = request.send().await.map_err(|error| failed("SubmitJob", error))?;
        Ok(response.job_id.unwrap_or_default())
    }

    /// Returns the job with this id, or `None` if there is none or it ended more than about a day ago.
    pub async fn find(&self, id: &str) -> Result<Option<Job>, BatchError> {
        let response = self.client.describe_jobs().jobs(id).send().await;
        let response = response.map_err(|error| failed("DescribeJobs", error))?;
        let job = response.jobs.unwrap_or_default().into_iter().next();
        Ok(job.map(|job| Job {
            name: job.job_name.unwrap_or_default(),
            status: job.status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
            exit_code: job.container.and_then(|container| container.exit_code),
        }))
    }

    /// Terminates a job: SIGTERM, as when AWS reclaims a spot instance.
    pub async fn terminate(&self, id: &str, reason: &str) -> Result<(), BatchError> {
        let request = self.client.terminate_job().job_id(id).reason(reason);
        request.send().await.map_err(|error| failed("TerminateJob", error))?;
        Ok(())
    }
}

fn failed(call: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BatchError {
    BatchError { call, source: source.into() }
}
