//! The state of a process of the search function.

use std::sync::Arc;

use access::RateLimits;
use artifacts::ArtifactStore;
use auth::AccessTokens;
use db::Db;
use embedding::{EmbedderOptions, Embedders};
use models::ModelRegistry;
use vectors::VectorDatabase;

use crate::query_vector::QueryVectors;
use crate::{Config, LazyReranker};

/// Clients and models, created once per process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    /// The database.
    pub db: Db,
    /// Verifies access tokens.
    pub tokens: AccessTokens,
    /// The Qdrant client.
    pub vectors: VectorDatabase,
    /// The staging bucket, for the text of documents.
    pub artifacts: ArtifactStore,
    /// The embedding models, for queries.
    pub queries: Arc<QueryVectors>,
    /// The reranker, if one is configured.
    pub reranker: Option<Arc<LazyReranker>>,
    /// The configured base URL of the API.
    pub api_url: Option<Arc<str>>,
    /// The factor on all declared rate limits.
    pub rate_limits: RateLimits,
}

impl State {
    /// Creates the clients and starts loading the models in the background, without any network access. The
    /// first request waits for the models.
    ///
    /// # Errors
    /// Names the setting or file that is invalid.
    pub async fn open(config: &Config) -> Result<Self, lambda::Error> {
        let options = EmbedderOptions::sized_to(config.processors);
        Ok(Self {
            db: Db::connect(&config.db)?,
            tokens: AccessTokens::open(&config.token_secret)?,
            artifacts: ArtifactStore::new(&aws::sdk_config().await, &config.staging_bucket),
            vectors: VectorDatabase::connect(&config.vectors)?,
            queries: Arc::new(QueryVectors::new(Embedders::open(
                ModelRegistry::open_all(&config.models_dirs, config.models_url.as_deref())?,
                &config.onnx_runtime,
                options,
            )?)),
            reranker: config
                .reranker
                .clone()
                .map(|source| Arc::new(LazyReranker::new(source, &config.onnx_runtime, options))),
            api_url: config.api_url.as_deref().map(Arc::from),
            rate_limits: config.rate_limits,
        })
    }
}
