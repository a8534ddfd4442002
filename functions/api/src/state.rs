//! Clients and settings that requests share.

use std::sync::Arc;

use artifacts::ArtifactStore;
use auth::{AccessTokens, ConnectorKeys};
use connectors::{Connectors, SourcePolicy};
use db::Db;
use db::system::Settings;
use egress::Egress;
use models::ModelRegistry;
use queue::{QueueUrls, Queues};
use segmentation::TokensByModel;
use vectors::VectorDatabase;

use crate::Config;
use crate::config::Limits;

/// Clients and settings, built once per process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    /// PostgreSQL.
    pub db: Db,
    /// Signs and verifies access tokens.
    pub tokens: AccessTokens,
    /// Encrypts the secrets of sources.
    pub secrets: ConnectorKeys,
    /// The staging bucket.
    pub artifacts: ArtifactStore,
    /// The work queues; only those of scan, notify and sweep are configured.
    pub queues: Queues,
    /// Qdrant.
    pub vectors: VectorDatabase,
    /// The available embedding models.
    pub models: Arc<ModelRegistry>,
    /// Tokenizers by model, loaded on first use.
    pub tokens_by_model: Arc<TokensByModel>,
    /// What sources may read at all.
    pub source_policy: Arc<SourcePolicy>,
    /// Tries sources before they are added.
    pub connectors: Connectors,
    /// Checks the URLs of webhooks.
    pub egress: Egress,
    /// Limits and defaults of requests.
    pub limits: Arc<Limits>,
}

impl State {
    /// Builds the clients without network access.
    ///
    /// # Errors
    /// Returns an error that names the invalid setting or file.
    pub async fn open(config: &Config) -> Result<Self, lambda::Error> {
        let sdk = aws::sdk_config().await;
        let source_policy = SourcePolicy::new(
            config.limits.directory_roots.clone(),
            &config.staging_bucket,
            config.models_url.as_deref(),
            &config.limits.protected_buckets,
        );
        let egress = Egress::new(config.egress.clone())?;
        let queues = QueueUrls {
            scan: Some(config.scan_queue_url.clone()),
            notify: Some(config.notify_queue_url.clone()),
            sweep: Some(config.sweep_queue.clone()),
            ..QueueUrls::default()
        };
        Ok(Self {
            db: Db::connect(&config.db)?,
            tokens: AccessTokens::open(&config.token_secret)?,
            secrets: ConnectorKeys::open(config.connector_secret.as_ref())?,
            artifacts: ArtifactStore::new(&sdk, &config.staging_bucket),
            queues: Queues::new(&sdk, queues),
            vectors: VectorDatabase::connect(&config.vectors)?,
            models: Arc::new(ModelRegistry::open_all(&config.models_dirs, config.models_url.as_deref())?),
            tokens_by_model: Arc::default(),
            connectors: Connectors::new(&sdk, egress.clone(), source_policy.clone()),
            egress,
            source_policy: Arc::new(source_policy),
            limits: Arc::new(config.limits.clone()),
        })
    }

    /// Returns whether anyone may register an account: as a superuser decided last, else as deployed.
    pub(crate) fn is_registration_open(&self, settings: &Settings) -> bool {
        settings.registration_open.unwrap_or(self.limits.registration_open)
    }
}
