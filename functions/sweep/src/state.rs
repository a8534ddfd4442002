//! What the sweep function keeps between events.

use batch_jobs::BatchJobs;
use db::Db;
use queue::{QueueUrls, Queues};
use vectors::VectorDatabase;

use crate::{Config, EmbedJobs, StallTimeouts};

/// Clients and settings, built once a process.
#[derive(Debug, Clone)]
pub struct State {
    /// PostgreSQL.
    pub db: Db,
    /// All work queues.
    pub queues: Queues,
    /// Qdrant.
    pub vectors: VectorDatabase,
    /// How long things may take before they count as lost.
    pub stall_timeouts: StallTimeouts,
    /// Where jobs that embed are submitted; none are without.
    pub embed_jobs: Option<EmbedJobs>,
}

impl State {
    /// Prepares the clients; nothing waits for the network.
    ///
    /// # Errors
    /// Says which setting is wrong.
    pub async fn open(config: &Config) -> Result<Self, lambda::Error> {
        let sdk = aws::sdk_config().await;
        let urls = QueueUrls {
            intake: Some(config.intake_queue_url.clone()),
            scan: Some(config.scan_queue_url.clone()),
            chunk: Some(config.chunk_queue_url.clone()),
            embed: Some(config.embed_queue_url.clone()),
        };
        Ok(Self {
            db: Db::connect(&config.db)?,
            queues: Queues::new(&sdk, urls),
            vectors: VectorDatabase::connect(&config.vectors)?,
            stall_timeouts: config.stall_timeouts,
            embed_jobs: config.embed_jobs.as_ref().map(|jobs| EmbedJobs {
                batch: BatchJobs::new(&sdk, &jobs.queue, &jobs.definition),
                limits: jobs.limits,
            }),
        })
    }
}
