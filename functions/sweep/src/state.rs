//! What the sweep function keeps between events.

use db::Db;
use queue::{QueueUrls, Queues};
use vectors::VectorStore;

use crate::{Config, Patience};

/// Clients and settings, built once a process.
#[derive(Debug, Clone)]
pub struct State {
    /// PostgreSQL.
    pub db: Db,
    /// All work queues.
    pub queues: Queues,
    /// Qdrant.
    pub vectors: VectorStore,
    /// How long things may take before they count as lost.
    pub patience: Patience,
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
            vectors: VectorStore::connect(&config.vectors)?,
            patience: config.patience,
        })
    }
}
