//! Clients that live as long as the process.

use artifacts::ArtifactStore;
use db::Db;
use lambda::sqs::{Delivery, Redeliver, Retry};
use queue::{QueueUrls, Queues};

use crate::Config;

/// Clients, built once per cold start.
#[derive(Debug, Clone)]
pub struct State {
    /// PostgreSQL.
    pub db: Db,
    /// The staging bucket.
    pub artifacts: ArtifactStore,
    /// The work queues; only those of scan and sweep are configured.
    pub queues: Queues,
}

impl State {
    /// Builds the clients without connecting.
    ///
    /// # Errors
    /// Returns an error that names the invalid setting.
    pub async fn open(config: &Config) -> Result<Self, lambda::Error> {
        let sdk = aws::sdk_config().await;
        let urls = QueueUrls {
            scan: Some(config.scan_queue_url.clone()),
            sweep: Some(config.sweep_queue.clone()),
            ..QueueUrls::default()
        };
        Ok(Self {
            db: Db::connect(&config.db)?,
            artifacts: ArtifactStore::new(&sdk, &config.staging_bucket),
            queues: Queues::new(&sdk, urls),
        })
    }
}

impl Redeliver for State {
    async fn redeliver(&self, delivery: &Delivery, retry: Retry) {
        dispatch::redeliver(&self.db, &self.queues, delivery, retry).await;
    }
}
