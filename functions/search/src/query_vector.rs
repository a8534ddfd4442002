//! Queries as vectors.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use domain::Quantization;
use embedding::Embedders;
use lambda::http::ApiError;
use lru::LruCache;

/// Vectors that are kept: people page through results and change filters, and the model takes longer
/// than everything else of a search.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// Makes vectors of queries, and keeps the latest.
#[derive(Debug)]
pub struct QueryVectors {
    embedders: Arc<Embedders>,
    kept: Mutex<LruCache<(String, Quantization, String), Vec<f32>>>,
}

impl QueryVectors {
    /// Queries become vectors by these models.
    pub fn new(embedders: Embedders) -> Self {
        Self { embedders: Arc::new(embedders), kept: Mutex::new(LruCache::new(KEPT)) }
    }

    /// The query's vector by this model, as its passages were embedded for collections of this
    /// quantization; computed off the thread that answers requests.
    ///
    /// # Errors
    /// Always ours, never the caller's: a collection's model belongs to this function's package.
    pub(crate) async fn embed(
        &self,
        model: &str,
        quantization: Quantization,
        query: &str,
    ) -> Result<Vec<f32>, ApiError> {
        let key = (model.to_owned(), quantization, query.to_owned());
        if let Some(vector) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(vector.clone());
        }
        let (embedders, asked) = (Arc::clone(&self.embedders), key.clone());
        let vector = tokio::task::spawn_blocking(move || {
            let (model, quantization, query) = asked;
            embedders.find(&model, quantization)?.embed_query(&query)
        });
        let vector = match vector.await {
            Ok(Ok(vector)) => vector,
            Ok(Err(error)) => return Err(ApiError::internal(&error)),
            Err(panic) => return Err(ApiError::internal(&panic)),
        };
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).put(key, vector.clone());
        Ok(vector)
    }
}
