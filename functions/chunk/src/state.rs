//! The clients and tokenizers that the chunk function keeps between messages.

use artifacts::ArtifactStore;
use db::Db;
use lambda::sqs::{Delivery, Redeliver, Retry};
use models::ModelRegistry;
use queue::{QueueUrls, Queues};
use segmentation::TokensByModel;

use crate::Config;

/// Clients and tokenizers, created once per process.
#[derive(Debug)]
pub struct State {
    /// PostgreSQL.
    pub db: Db,
    /// The staging bucket.
    pub artifacts: ArtifactStore,
    /// The work queues of extract and embed, and of scan for the next operation.
    pub queues: Queues,
    /// The models that collections may use.
    pub models: ModelRegistry,
    /// Their tokenizers.
    pub tokens: TokensByModel,
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
            extract: Some(config.extract_queue_url.clone()),
            embed: Some(config.embed_queue_url.clone()),
            ..QueueUrls::default()
        };
        Ok(Self {
            db: Db::connect(&config.db)?,
            artifacts: ArtifactStore::new(&sdk, &config.staging_bucket),
            queues: Queues::new(&sdk, urls),
            models: ModelRegistry::open_all(&config.models_dirs, config.models_url.as_deref())?,
            tokens: TokensByModel::default(),
        })
    }
}

impl Redeliver for State {
    async fn redeliver(&self, delivery: &Delivery, retry: Retry) {
        dispatch::redeliver(&self.db, &self.queues, delivery, retry).await;
    }
}
