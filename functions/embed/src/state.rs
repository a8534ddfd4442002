//! The clients and models that the embed function and the embed job keep between messages.

use artifacts::ArtifactStore;
use db::Db;
use embedding::Embedders;
use lambda::sqs::{Delivery, Redeliver, Retry};
use models::ModelRegistry;
use queue::{QueueUrls, Queues};
use std::sync::Arc;
use vectors::VectorDatabase;

use crate::{ChunkEmbedder, Config, Pace};

/// Clients and models, created once per process.
#[derive(Debug, Clone)]
pub struct State {
    /// PostgreSQL.
    pub db: Db,
    /// The staging bucket.
    pub artifacts: ArtifactStore,
    /// The work queues of scan and embed.
    pub queues: Queues,
    /// Qdrant.
    pub vectors: VectorDatabase,
    /// The embedding models.
    pub embedder: Arc<dyn ChunkEmbedder>,
    /// How fast they are. Only to size groups: losing it costs nothing.
    pub pace: Arc<Pace>,
}

impl State {
    /// Creates the clients and loads ONNX Runtime, without a network call.
    ///
    /// # Errors
    /// Names the invalid setting or file.
    pub async fn open(config: &Config) -> Result<Self, lambda::Error> {
        let sdk = aws::sdk_config().await;
        let urls = QueueUrls {
            scan: Some(config.scan_queue_url.clone()),
            notify: Some(config.notify_queue_url.clone()),
            embed: Some(config.embed_queue_url.clone()),
            ..QueueUrls::default()
        };
        Ok(Self {
            db: Db::connect(&config.db)?,
            artifacts: ArtifactStore::new(&sdk, &config.staging_bucket),
            queues: Queues::new(&sdk, urls),
            vectors: VectorDatabase::connect(&config.vectors)?,
            embedder: Arc::new(Embedders::open(
                ModelRegistry::open_all(&config.models_dirs, config.models_url.as_deref())?,
                &config.onnx_runtime,
                config.embedder,
            )?),
            pace: Arc::default(),
        })
    }
}

impl Redeliver for State {
    async fn redeliver(&self, delivery: &Delivery, retry: Retry) {
        dispatch::redeliver(&self.db, &self.queues, delivery, retry).await;
    }
}
