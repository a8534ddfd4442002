//! What the sweep function keeps between events.

use db::Db;
use domain::{OperationId, ScanMessage};
use lambda::StageError;
use queue::{QueueUrls, Queues};

use crate::{Config, Patience};

/// Clients and settings, built once a process.
#[derive(Debug, Clone)]
pub struct State {
    /// PostgreSQL.
    pub db: Db,
    /// All work queues.
    pub queues: Queues,
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
        Ok(Self { db: Db::connect(&config.db)?, queues: Queues::new(&sdk, urls), patience: config.patience })
    }

    /// Asks for these operations to be run, and notes that.
    pub(crate) async fn dispatch(&self, ids: &[OperationId]) -> Result<(), StageError> {
        if ids.is_empty() {
            return Ok(());
        }
        let messages: Vec<ScanMessage> =
            ids.iter().map(|id| ScanMessage::RunOperation { operation_id: *id }).collect();
        self.queues.send_scan(&messages).await?;
        self.db.connection().await?.operations().mark_dispatched(ids).await?;
        Ok(())
    }

    /// Ends the operation if nothing is left to do in it, and starts the collection's next one.
    /// Returns whether it ended now.
    pub(crate) async fn finish(&self, operation_id: OperationId) -> Result<bool, StageError> {
        let mut connection = self.db.connection().await?;
        let Some(finished) = connection.operations().complete_if_done(operation_id).await? else {
            return Ok(false);
        };
        tracing::info!(operation.id = %operation_id, operation.status = %finished.status, "operation ended");
        let next = connection.operations().next_pending(finished.collection_id).await?;
        drop(connection);
        self.dispatch(next.as_slice()).await?;
        Ok(true)
    }
}
