//! What the API function keeps between requests.

use std::sync::Arc;

use artifacts::ArtifactStore;
use auth::{AccessTokens, SecretCipher};
use db::Db;
use models::ModelRegistry;
use queue::{QueueUrls, Queues};
use segmentation::TokensByModel;
use vectors::VectorDatabase;

use crate::Config;
use crate::config::Limits;

/// Clients and settings, built once a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    /// PostgreSQL.
    pub db: Db,
    /// Makes and checks access tokens.
    pub tokens: AccessTokens,
    /// Encrypts the secrets of sources.
    pub secrets: SecretCipher,
    /// The staging bucket.
    pub artifacts: ArtifactStore,
    /// The work queues, of which only scan's is known here.
    pub queues: Queues,
    /// Qdrant.
    pub vectors: VectorDatabase,
    /// The models that collections may use.
    pub models: Arc<ModelRegistry>,
    /// What they count with, opened when a text is to be cut.
    pub tokens_by_model: Arc<TokensByModel>,
    /// How requests are answered.
    pub limits: Arc<Limits>,
}

impl State {
    /// Prepares the clients; nothing waits for the network.
    ///
    /// # Errors
    /// Says which setting or file is wrong.
    pub async fn open(config: &Config) -> Result<Self, lambda::Error> {
        let sdk = aws::sdk_config().await;
        let queues = QueueUrls { scan: Some(config.scan_queue_url.clone()), ..QueueUrls::default() };
        Ok(Self {
            db: Db::connect(&config.db)?,
            tokens: AccessTokens::new(&config.jwt_secret)?,
            secrets: SecretCipher::new(&config.connector_secrets_keys)?,
            artifacts: ArtifactStore::new(&sdk, &config.staging_bucket),
            queues: Queues::new(&sdk, queues),
            vectors: VectorDatabase::connect(&config.vectors)?,
            models: Arc::new(ModelRegistry::open_all(&config.models_dirs, config.models_url.as_deref())?),
            tokens_by_model: Arc::default(),
            limits: Arc::new(config.limits.clone()),
        })
    }
}
