//! What the search function keeps between requests.

use std::sync::Arc;

use auth::AccessTokens;
use db::Db;
use embedding::{EmbedderOptions, Embedders};
use guard::RateLimits;
use vectors::VectorStore;

use crate::Config;

/// Clients and models, built once a process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    /// Where accounts, keys, collections and documents are.
    pub db: Db,
    /// What access tokens are checked with.
    pub tokens: AccessTokens,
    /// Where points are.
    pub vectors: VectorStore,
    /// The models.
    pub embedders: Arc<Embedders>,
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
        Ok(Self {
            db: Db::connect(&config.db)?,
            tokens: AccessTokens::new(&config.jwt_secret)?,
            vectors: VectorStore::connect(&config.vectors)?,
            embedders: Arc::new(Embedders::open(&config.models_dir, &config.onnx_runtime, options)?),
            rate_limits: config.rate_limits,
        })
    }
}
