//! Configuration, read from environment variables.

use std::time::Duration;

use db::DbConfig;
use lambda::env::{self, EnvError};
use queue::SweepQueue;
use vectors::VectorsConfig;

const DAY: Duration = Duration::from_secs(86_400);

/// The sweep function's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`, `DATABASE_SECRET_ARN`, `DATABASE_AUTHENTICATION`, `DATABASE_CONNECTIONS`.
    pub db: DbConfig,
    /// `INTAKE_QUEUE_URL`: receives requests to check uploads whose event is missing.
    pub intake_queue_url: String,
    /// `SCAN_QUEUE_URL`.
    pub scan_queue_url: String,
    /// `NOTIFY_QUEUE_URL`: receives deliveries to webhooks that are due.
    pub notify_queue_url: String,
    /// `CHUNK_QUEUE_URL`.
    pub chunk_queue_url: String,
    /// `EXTRACT_QUEUE_URL`.
    pub extract_queue_url: String,
    /// `RECOGNIZE_QUEUE_URL`: unset or empty where OCR is not deployed.
    pub recognize_queue_url: Option<String>,
    /// `EMBED_QUEUE_URL`.
    pub embed_queue_url: String,
    /// `SWEEP_QUEUE_URL`; `SWEEP_INTERVAL_SECONDS`, how often sweep runs while there is work, default 60.
    pub sweep_queue: SweepQueue,
    /// `QDRANT_URL`, `QDRANT_SECRET_ARN` (optional).
    pub vectors: VectorsConfig,
    /// `STAGING_BUCKET`: its objects are erased, and compared with the documents.
    pub staging_bucket: String,
    /// How long deleted documents can be restored. `DELETED_DOCUMENT_RETENTION_DAYS`, default 30.
    pub deleted_document_retention: Duration,
    /// How often a sample of each collection is checked. `SWEEP_INTEGRITY_SECONDS`, default 86400.
    pub integrity_interval: Duration,
    /// How long messages, items and uploads may take before they count as lost.
    pub stall_timeouts: StallTimeouts,
    /// Where embed jobs are submitted; `None` if there is no job queue.
    pub embed_jobs: Option<EmbedJobsConfig>,
}

/// Where embed jobs are submitted, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedJobsConfig {
    /// `EMBED_JOB_QUEUE`: the AWS Batch job queue; unset or empty for no jobs.
    pub queue: String,
    /// `EMBED_JOB_DEFINITION`.
    pub definition: String,
    /// How large a backlog starts a job.
    pub limits: JobLimits,
}

/// When jobs are submitted, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLimits {
    /// Chunks of backlog per job; a smaller backlog is left to the function. `EMBED_JOB_CHUNKS`,
    /// default 20000.
    pub chunks_per_job: u64,
    /// Jobs that run at a time, at most. `EMBED_JOB_MOST`, default 1.
    pub max_jobs: u64,
    /// Backoff after a failed job; doubled for each further failure within an hour. Without it, a broken
    /// image or driver would cost a machine in every run.
    pub backoff: Duration,
}

/// How long messages, items and uploads may take before they count as lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StallTimeouts {
    /// For the first pending operation of a collection, since it was dispatched.
    /// `SWEEP_PENDING_SECONDS`, default 60.
    pub pending: Duration,
    /// For a listing, since its last progress: the visibility timeout of ScanQueue, after which the
    /// message of a function that was stopped is redelivered. `SWEEP_LISTING_SECONDS`, default 120 if
    /// `STAGE` is `local`, 5400 otherwise.
    pub listing: Duration,
    /// For an item whose stage's queue is empty. `SWEEP_ITEM_SECONDS`, default 120.
    pub item: Duration,
    /// For an item whose stage's queue has messages, if one that was sent after its own was handled. Longer than a
    /// stage takes and retries. `SWEEP_OVERTAKEN_ITEM_SECONDS`, default 1800.
    pub overtaken_item: Duration,
    /// For an item whose message may be among those of the queue, if no item of its operation moves.
    /// `SWEEP_QUEUED_ITEM_SECONDS`, default 3600.
    pub queued_item: Duration,
    /// For an upload, since its presigned URL expired: a PUT that began before may still be running.
    /// `SWEEP_EXPIRED_UPLOAD_SECONDS`, default 10 if `STAGE` is `local`, 300 otherwise.
    pub expired_upload: Duration,
    /// For what a deletion left over, since the deletion or its last attempt.
    /// `SWEEP_UNPURGED_SECONDS`, default 300.
    pub unpurged: Duration,
}

impl Config {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// Returns an error that names the variable that is missing or invalid.
    pub fn from_env() -> Result<Self, EnvError> {
        let mut vectors = VectorsConfig::new(&env::required("QDRANT_URL")?);
        vectors.api_key = env::optional_secret("QDRANT_SECRET_ARN", "QDRANT_API_KEY");
        // Shorter than the function's timeout, so that the other steps still run.
        vectors.timeout = Duration::from_secs(10);
        Ok(Self {
            db: DbConfig::new(env::database()?).with_connections(env::database_connections()?),
            intake_queue_url: env::required("INTAKE_QUEUE_URL")?,
            scan_queue_url: env::required("SCAN_QUEUE_URL")?,
            notify_queue_url: env::required("NOTIFY_QUEUE_URL")?,
            chunk_queue_url: env::required("CHUNK_QUEUE_URL")?,
            extract_queue_url: env::required("EXTRACT_QUEUE_URL")?,
            recognize_queue_url: env::optional("RECOGNIZE_QUEUE_URL"),
            embed_queue_url: env::required("EMBED_QUEUE_URL")?,
            sweep_queue: SweepQueue {
                url: env::required("SWEEP_QUEUE_URL")?,
                interval: Duration::from_secs(env::parsed_or("SWEEP_INTERVAL_SECONDS", 60)?),
            },
            vectors,
            staging_bucket: env::required("STAGING_BUCKET")?,
            deleted_document_retention: DAY * env::parsed_or("DELETED_DOCUMENT_RETENTION_DAYS", 30)?,
            integrity_interval: Duration::from_secs(env::parsed_or("SWEEP_INTEGRITY_SECONDS", 86_400)?),
            stall_timeouts: StallTimeouts::from_env()?,
            embed_jobs: env::optional("EMBED_JOB_QUEUE").map(EmbedJobsConfig::from_env).transpose()?,
        })
    }
}

impl EmbedJobsConfig {
    fn from_env(queue: String) -> Result<Self, EnvError> {
        let limits = JobLimits {
            chunks_per_job: env::parsed_or("EMBED_JOB_CHUNKS", 20_000)?,
            max_jobs: env::parsed_or("EMBED_JOB_MOST", 1)?,
            backoff: Duration::from_secs(300),
        };
        Ok(Self { queue, definition: env::required("EMBED_JOB_DEFINITION")?, limits })
    }
}

impl StallTimeouts {
    fn from_env() -> Result<Self, EnvError> {
        let is_local = env::optional("STAGE").is_some_and(|stage| stage == "local");
        let seconds = |name, default| env::parsed_or(name, default).map(Duration::from_secs);
        Ok(Self {
            pending: seconds("SWEEP_PENDING_SECONDS", 60)?,
            listing: seconds("SWEEP_LISTING_SECONDS", if is_local { 120 } else { 5400 })?,
            item: seconds("SWEEP_ITEM_SECONDS", 120)?,
            overtaken_item: seconds("SWEEP_OVERTAKEN_ITEM_SECONDS", 1800)?,
            queued_item: seconds("SWEEP_QUEUED_ITEM_SECONDS", 3600)?,
            expired_upload: seconds("SWEEP_EXPIRED_UPLOAD_SECONDS", if is_local { 10 } else { 300 })?,
            unpurged: seconds("SWEEP_UNPURGED_SECONDS", 300)?,
        })
    }
}
