//! Embeddings of queries, with a cache.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use domain::Quantization;
use embedding::{Embedders, QueryEmbedding};
use lambda::http::ApiError;
use lru::LruCache;

/// The size of the cache, in queries: users page through results and change filters, and embedding takes
/// longer than the rest of a search.
const CACHED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// Embeds queries and caches the latest embeddings.
#[derive(Debug)]
pub struct QueryVectors {
    embedders: Arc<Embedders>,
    cache: Mutex<LruCache<(String, Quantization, String), QueryEmbedding>>,
}

impl QueryVectors {
    /// Creates an empty cache for these models.
    pub fn new(embedders: Embedders) -> Self {
        Self { embedders: Arc::new(embedders), cache: Mutex::new(LruCache::new(CACHED)) }
    }

    /// Embeds a query with the same model, and the same quantization of it, as the chunks of a collection.
    /// Runs on the thread pool for blocking work.
    ///
    /// # Errors
    /// Returns `Internal` if the model cannot be loaded or fails: it is part of this function's package.
    pub(crate) async fn embed(
        &self,
        model: &str,
        quantization: Quantization,
        query: &str,
    ) -> Result<QueryEmbedding, ApiError> {
        let key = (model.to_owned(), quantization, query.to_owned());
        if let Some(embedding) = self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(embedding.clone());
        }
        let (embedders, owned_key) = (Arc::clone(&self.embedders), key.clone());
        let embedding = tokio::task::spawn_blocking(move || {
            let (model, quantization, query) = owned_key;
            embedders.find(&model, quantization)?.embed_query(&query)
        });
        let embedding = match embedding.await {
            Ok(Ok(embedding)) => embedding,
            Ok(Err(error)) => return Err(ApiError::internal(&error)),
            Err(panic) => return Err(ApiError::internal(&panic)),
        };
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).put(key, embedding.clone());
        Ok(embedding)
    }
}
