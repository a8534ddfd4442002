//! What the sweep function is told by its environment.

use std::time::Duration;

use db::DbConfig;
use lambda::env::{self, EnvError};
use secrecy::SecretString;
use vectors::VectorsConfig;

use crate::embed_jobs::JobLimits;

/// The sweep function's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`.
    pub db: DbConfig,
    /// `INTAKE_QUEUE_URL`: where it is asked after uploads.
    pub intake_queue_url: String,
    /// `SCAN_QUEUE_URL`.
    pub scan_queue_url: String,
    /// `CHUNK_QUEUE_URL`.
    pub chunk_queue_url: String,
    /// `EMBED_QUEUE_URL`.
    pub embed_queue_url: String,
    /// `QDRANT_URL`, `QDRANT_API_KEY` (optional).
    pub vectors: VectorsConfig,
    /// How long things may take before they count as lost.
    pub stall_timeouts: StallTimeouts,
    /// Where jobs that embed are submitted; none are without.
    pub embed_jobs: Option<EmbedJobsConfig>,
}

/// Where jobs that embed are submitted, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedJobsConfig {
    /// `EMBED_JOB_QUEUE`: AWS Batch's job queue; none, or empty, for no jobs.
    pub queue: String,
    /// `EMBED_JOB_DEFINITION`.
    pub definition: String,
    /// From how many waiting chunks on.
    pub limits: JobLimits,
}

/// How long things may take before they count as lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StallTimeouts {
    /// An operation whose turn it is, since its message was sent. `SWEEP_PENDING_SECONDS`,
    /// default 60.
    pub pending: Duration,
    /// A listing, since it last moved on: as long as SQS hides a message from others, because a
    /// function that was stopped gets its message again after that. `SWEEP_LISTING_SECONDS`,
    /// default 120 where `STAGE` is `local`, else 1800.
    pub listing: Duration,
    /// An item whose stage's queue is empty. `SWEEP_ITEM_SECONDS`, default 120.
    pub item: Duration,
    /// An item whose stage's queue holds messages, among which its own may be.
    /// `SWEEP_QUEUED_ITEM_SECONDS`, default 3600.
    pub queued_item: Duration,
    /// An upload whose URL has run out: bytes may still be on their way.
    /// `SWEEP_EXPIRED_UPLOAD_SECONDS`, default 10 where `STAGE` is `local`, else 300.
    pub expired_upload: Duration,
    /// What a deletion has left behind, since the deletion or its last try. `SWEEP_UNPURGED_SECONDS`,
    /// default 300.
    pub unpurged: Duration,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn from_env() -> Result<Self, EnvError> {
        let mut vectors = VectorsConfig::new(&env::required("QDRANT_URL")?);
        vectors.api_key = env::optional("QDRANT_API_KEY").map(SecretString::from);
        // Shorter than the function's own limit, so that what else there is to do is done.
        vectors.timeout = Duration::from_secs(10);
        Ok(Self {
            db: DbConfig::new(env::secret("DATABASE_URL")?),
            intake_queue_url: env::required("INTAKE_QUEUE_URL")?,
            scan_queue_url: env::required("SCAN_QUEUE_URL")?,
            chunk_queue_url: env::required("CHUNK_QUEUE_URL")?,
            embed_queue_url: env::required("EMBED_QUEUE_URL")?,
            vectors,
            stall_timeouts: StallTimeouts::from_env()?,
            embed_jobs: env::optional("EMBED_JOB_QUEUE").map(EmbedJobsConfig::from_env).transpose()?,
        })
    }
}

impl EmbedJobsConfig {
    fn from_env(queue: String) -> Result<Self, EnvError> {
        let limits = JobLimits {
            chunks_per_job: env::parsed_or("EMBED_JOB_CHUNKS", 20_000)?,
            most_jobs: env::parsed_or("EMBED_JOB_MOST", 1)?,
            after_failure: Duration::from_secs(300),
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
            listing: seconds("SWEEP_LISTING_SECONDS", if is_local { 120 } else { 1800 })?,
            item: seconds("SWEEP_ITEM_SECONDS", 120)?,
            queued_item: seconds("SWEEP_QUEUED_ITEM_SECONDS", 3600)?,
            expired_upload: seconds("SWEEP_EXPIRED_UPLOAD_SECONDS", if is_local { 10 } else { 300 })?,
            unpurged: seconds("SWEEP_UNPURGED_SECONDS", 300)?,
        })
    }
}
