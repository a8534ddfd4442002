//! Chunks as points in Qdrant. A collection has one index, a Qdrant collection with two named vectors (`dense`,
//! the embedding; `sparse-v2`, the BM25 weights) and a payload. Every field that filters use has a payload
//! index, because Qdrant's strict mode rejects filters on other fields.
//!
//! The only user of qdrant-client. A URL points it at a Qdrant server, Qdrant Cloud or `infra/qdrant-local`,
//! whose contract tests cover this crate.
//!
//! If Qdrant cannot be reached, every call returns [`VectorsError::Unavailable`].

mod chunks;
mod config;
mod error;
mod filter;
mod generation;
mod indexes;
mod neighbours;
mod payload;
mod points;
mod references;
mod search;
mod storage;

use std::sync::Arc;
use std::time::Duration;

use qdrant_client::{Qdrant, QdrantError};
use secrets::Secret;
use tonic::Code;

pub use chunks::StoredChunk;
pub use config::VectorsConfig;
pub use error::VectorsError;
pub use filter::ChunkFilter;
pub use generation::DocumentGeneration;
pub use indexes::IndexSpec;
pub use payload::{ChunkMetadata, ChunkPayload};
pub use points::ChunkPoint;
pub use references::PointReference;
pub use search::{CANDIDATES, ChunkQuery, ScoredChunk};
pub use storage::{IndexStorage, OnDisk, UnknownOnDisk};

/// The name of the vector that holds the embedding.
const DENSE: &str = "dense";
/// The name of the vector that holds the BM25 weights, with the version of the terms: it changes whenever `bm25` computes
/// other ids or weights, so that an index never mixes both. Indexes without this vector are searched by their
/// embeddings, with a warning, until they are reindexed.
const SPARSE: &str = "sparse-v2";

/// The least time between two reads of an API key that stays wrong.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// A connection to Qdrant. Clones share it.
#[derive(Clone)]
pub struct VectorDatabase {
    url: Arc<str>,
    client: Secret<Qdrant>,
}

impl VectorDatabase {
    /// Creates a client. It connects at the first call.
    ///
    /// # Errors
    /// Returns `InvalidUrl` if the URL cannot be used.
    pub fn connect(config: &VectorsConfig) -> Result<Self, VectorsError> {
        Ok(Self { url: config.url.as_str().into(), client: config.client()? })
    }

    /// Checks that Qdrant responds.
    pub async fn health(&self) -> Result<(), VectorsError> {
        let reply = self.call(|client| async move { client.health_check().await }).await?;
        tracing::debug!(qdrant.title = reply.title, qdrant.version = reply.version, "healthy");
        Ok(())
    }

    /// Makes a call. If Qdrant refuses the API key, the key is read again, and the call repeated if it has changed.
    async fn call<R, F>(&self, request: impl Fn(Qdrant) -> F) -> Result<R, VectorsError>
    where
        F: Future<Output = Result<R, QdrantError>>,
    {
        let client = self.client.get().await?;
        let refused = match request((*client).clone()).await {
            Err(error) if is_refusal(&error) => error,
            outcome => return Ok(outcome?),
        };
        let current = self.client.refresh(&client, READ_PAUSE).await;
        if Arc::ptr_eq(&current, &client) {
            return Err(refused.into());
        }
        Ok(request((*current).clone()).await?)
    }
}

/// Returns whether Qdrant refused the API key.
fn is_refusal(error: &QdrantError) -> bool {
    matches!(error, QdrantError::ResponseError { status }
        if matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied))
}

impl std::fmt::Debug for VectorDatabase {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The client's configuration holds the API key.
        formatter.debug_struct("VectorDatabase").field("url", &self.url).finish_non_exhaustive()
    }
}
