//! The clients that the scan function keeps between messages.

use std::time::Duration;

use artifacts::ArtifactStore;
use auth::ConnectorKeys;
use connectors::{Connectors, SourcePolicy};
use db::Db;
use egress::Egress;
use lambda::sqs::{Delivery, Redeliver, Retry};
use models::ModelRegistry;
use queue::{QueueUrls, Queues};
use vectors::{IndexStorage, VectorDatabase};

use crate::Config;

/// Clients, created once per process.
#[derive(Debug)]
pub struct State {
    /// PostgreSQL.
    pub db: Db,
    /// The staging bucket.
    pub artifacts: ArtifactStore,
    /// Lists and reads every source except uploads.
    pub connectors: Connectors,
    /// Decrypts the secrets of sources.
    pub secrets: ConnectorKeys,
    /// The work queues of scan and chunk.
    pub queues: Queues,
    /// Qdrant.
    pub vectors: VectorDatabase,
    /// How Qdrant keeps the indexes that this function creates.
    pub index_storage: IndexStorage,
    /// The models that collections may use.
    pub models: ModelRegistry,
    /// How long a replaced index is kept.
    pub reindex_grace: Duration,
    /// How many items of an operation are under way at a time.
    pub max_items_under_way: u32,
}

impl State {
    /// Creates the clients, without a network call.
    ///
    /// # Errors
    /// Names the invalid setting or file.
    pub async fn open(config: &Config) -> Result<Self, lambda::Error> {
        let sdk = aws::sdk_config().await;
        let urls = QueueUrls {
            scan: Some(config.scan_queue_url.clone()),
            notify: Some(config.notify_queue_url.clone()),
            chunk: Some(config.chunk_queue_url.clone()),
            ..QueueUrls::default()
        };
        let sources = SourcePolicy::new(
            config.directory_roots.clone(),
            &config.staging_bucket,
            config.models_url.as_deref(),
            &config.protected_buckets,
        );
        Ok(Self {
            db: Db::connect(&config.db)?,
            artifacts: ArtifactStore::new(&sdk, &config.staging_bucket),
            connectors: Connectors::new(&sdk, Egress::new(config.egress.clone())?, sources),
            secrets: ConnectorKeys::open(config.connector_secret.as_ref())?,
            queues: Queues::new(&sdk, urls),
            vectors: VectorDatabase::connect(&config.vectors)?,
            index_storage: config.index_storage.clone(),
            models: ModelRegistry::open_all(&config.models_dirs, config.models_url.as_deref())?,
            reindex_grace: config.reindex_grace,
            max_items_under_way: config.max_items_under_way,
        })
    }
}

impl Redeliver for State {
    async fn redeliver(&self, delivery: &Delivery, retry: Retry) {
        dispatch::redeliver(&self.db, &self.queues, delivery, retry).await;
    }
}
