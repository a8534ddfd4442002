//! Clients and settings that live as long as the process.

use std::time::Duration;

use artifacts::ArtifactStore;
use batch_jobs::BatchJobs;
use db::Db;
use queue::{QueueUrls, Queues};
use vectors::VectorDatabase;

use crate::config::{Config, JobLimits, StallTimeouts};

/// Clients and settings, built once per cold start.
#[derive(Debug, Clone)]
pub struct State {
    /// PostgreSQL.
    pub db: Db,
    /// All work queues.
    pub queues: Queues,
    /// Whether there is a queue of recognize, which is where OCR is deployed.
    pub has_recognize: bool,
    /// The staging bucket.
    pub artifacts: ArtifactStore,
    /// Qdrant.
    pub vectors: VectorDatabase,
    /// How long deleted documents can be restored.
    pub deleted_document_retention: Duration,
    /// How often a sample of each collection is checked.
    pub integrity_interval: Duration,
    /// How long messages, items and uploads may take before they count as lost.
    pub stall_timeouts: StallTimeouts,
    /// Where embed jobs are submitted; `None` if there is no job queue.
    pub embed_jobs: Option<EmbedJobs>,
}

impl State {
    /// Builds the clients without connecting.
    ///
    /// # Errors
    /// Returns an error that names the invalid setting.
    pub async fn open(config: &Config) -> Result<Self, lambda::Error> {
        let sdk = aws::sdk_config().await;
        let urls = QueueUrls {
            intake: Some(config.intake_queue_url.clone()),
            scan: Some(config.scan_queue_url.clone()),
            notify: Some(config.notify_queue_url.clone()),
            extract: Some(config.extract_queue_url.clone()),
            recognize: config.recognize_queue_url.clone(),
            chunk: Some(config.chunk_queue_url.clone()),
            embed: Some(config.embed_queue_url.clone()),
            sweep: Some(config.sweep_queue.clone()),
        };
        Ok(Self {
            db: Db::connect(&config.db)?,
            has_recognize: urls.recognize.is_some(),
            queues: Queues::new(&sdk, urls),
            artifacts: ArtifactStore::new(&sdk, &config.staging_bucket),
            vectors: VectorDatabase::connect(&config.vectors)?,
            deleted_document_retention: config.deleted_document_retention,
            integrity_interval: config.integrity_interval,
            stall_timeouts: config.stall_timeouts,
            embed_jobs: config.embed_jobs.as_ref().map(|jobs| EmbedJobs {
                batch: BatchJobs::new(&sdk, &jobs.queue, &jobs.definition),
                limits: jobs.limits,
            }),
        })
    }
}

/// Where jobs are submitted, and when.
#[derive(Debug, Clone)]
pub struct EmbedJobs {
    /// The job queue and definition.
    pub batch: BatchJobs,
    /// How large a backlog starts a job.
    pub limits: JobLimits,
}
