//! What the embed function and the embed job keep between messages.

use std::sync::Arc;
use std::time::Duration;

use artifacts::ArtifactStore;
use db::Db;
use embedding::Embedders;
use lambda::sqs::{Delivery, Redeliver};
use models::ModelRegistry;
use queue::{QueueUrls, Queues};
use vectors::VectorDatabase;

use crate::Config;

/// Clients and models, built once a process.
#[derive(Debug, Clone)]
pub struct State {
    /// PostgreSQL.
    pub db: Db,
    /// The staging bucket.
    pub artifacts: ArtifactStore,
    /// The work queues, of which only scan's is known here.
    pub queues: Queues,
    /// Qdrant.
    pub vectors: VectorDatabase,
    pub(crate) embedders: Arc<Embedders>,
}

impl State {
    /// Prepares the clients and loads ONNX Runtime; nothing waits for the network.
    ///
    /// # Errors
    /// Says which setting or file is wrong.
    pub async fn open(config: &Config) -> Result<Self, lambda::Error> {
        let sdk = aws::sdk_config().await;
        let urls = QueueUrls { scan: Some(config.scan_queue_url.clone()), ..QueueUrls::default() };
        Ok(Self {
            db: Db::connect(&config.db)?,
            artifacts: ArtifactStore::new(&sdk, &config.staging_bucket),
            queues: Queues::new(&sdk, urls),
            vectors: VectorDatabase::connect(&config.vectors)?,
            embedders: Arc::new(Embedders::open(
                ModelRegistry::open_all(&config.models_dirs, config.models_url.as_deref())?,
                &config.onnx_runtime,
                config.embedder,
            )?),
        })
    }
}

impl Redeliver for State {
    async fn redeliver_after(&self, delivery: &Delivery, delay: Duration) {
        dispatch::redeliver_after(&self.queues, delivery, delay).await;
    }
}
