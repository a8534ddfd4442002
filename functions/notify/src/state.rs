//! The clients that the notify function keeps between messages.

use auth::ConnectorKeys;
use db::Db;
use egress::Egress;
use lambda::sqs::{Delivery, Redeliver, Retry};
use queue::{QueueUrls, Queues};

use crate::Config;

/// Clients, created once per process.
#[derive(Debug)]
pub struct State {
    /// PostgreSQL.
    pub db: Db,
    /// Decrypts the secrets of webhooks.
    pub secrets: ConnectorKeys,
    /// Sends requests to webhooks.
    pub egress: Egress,
    /// The function's own queue, and that of sweep.
    pub queues: Queues,
    /// Multiplies the time between attempts.
    pub retry_factor: f64,
}

impl State {
    /// Creates the clients, without a network call.
    ///
    /// # Errors
    /// Names the invalid setting or file.
    pub async fn open(config: &Config) -> Result<Self, lambda::Error> {
        let sdk = aws::sdk_config().await;
        let urls = QueueUrls {
            notify: Some(config.notify_queue_url.clone()),
            sweep: Some(config.sweep_queue.clone()),
            ..QueueUrls::default()
        };
        Ok(Self {
            db: Db::connect(&config.db)?,
            secrets: ConnectorKeys::open(config.connector_secret.as_ref())?,
            egress: Egress::new(config.egress.clone())?,
            queues: Queues::new(&sdk, urls),
            retry_factor: config.retry_factor,
        })
    }
}

impl Redeliver for State {
    async fn redeliver(&self, delivery: &Delivery, retry: Retry) {
        dispatch::redeliver(&self.db, &self.queues, delivery, retry).await;
    }
}
