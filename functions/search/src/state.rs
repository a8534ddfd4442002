//! What the search function keeps between requests.

use std::sync::Arc;

use access::RateLimits;
use auth::AccessTokens;
use db::Db;
use embedding::{EmbedderOptions, Embedders, OrtRuntime, Reranker};
use models::ModelRegistry;
use vectors::VectorDatabase;

use crate::Config;
use crate::query_vector::QueryVectors;

/// Clients and models, built once a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    /// Where accounts, keys, collections and documents are.
    pub db: Db,
    /// What access tokens are checked with.
    pub tokens: AccessTokens,
    /// Where points are.
    pub vectors: VectorDatabase,
    /// The models, for queries.
    pub queries: Arc<QueryVectors>,
    /// What puts the best results in order, if anything does.
    pub reranker: Option<Arc<Reranker>>,
    /// How far this installation keeps to the declared rates.
    pub rate_limits: RateLimits,
}

impl State {
    /// Prepares the clients and starts loading the models: nothing waits for the network, and the
    /// first request waits only for what is left of the loading.
    ///
    /// # Errors
    /// Says which setting or file is wrong.
    pub fn open(config: &Config) -> Result<Self, lambda::Error> {
        let options = EmbedderOptions::sized_to(config.processors);
        let reranker = match &config.reranker_dir {
            None => None,
            Some(folder) => {
                let runtime = OrtRuntime::load(&config.onnx_runtime)?;
                Some(Arc::new(Reranker::open(&runtime, folder, options)?))
            }
        };
        Ok(Self {
            db: Db::connect(&config.db)?,
            tokens: AccessTokens::new(&config.jwt_secret)?,
            vectors: VectorDatabase::connect(&config.vectors)?,
            queries: Arc::new(QueryVectors::new(Embedders::open(
                ModelRegistry::open_all(&config.models_dirs, config.models_url.as_deref())?,
                &config.onnx_runtime,
                options,
            )?)),
            reranker,
            rate_limits: config.rate_limits,
        })
    }
}
