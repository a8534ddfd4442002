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

use qdrant_client::Qdrant;

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

/// A connection to Qdrant. Clones share it.
#[derive(Clone)]
pub struct VectorDatabase {
    client: Qdrant,
}

impl VectorDatabase {
    /// Creates a client. It connects at the first call.
    ///
    /// # Errors
    /// Returns `InvalidUrl` if the URL cannot be used.
    pub fn connect(config: &VectorsConfig) -> Result<Self, VectorsError> {
        Ok(Self { client: config.client()? })
    }

    /// Checks that Qdrant responds.
    pub async fn health(&self) -> Result<(), VectorsError> {
        let reply = self.client.health_check().await.map_err(VectorsError::from)?;
        tracing::debug!(qdrant.title = reply.title, qdrant.version = reply.version, "healthy");
        Ok(())
    }
}

impl std::fmt::Debug for VectorDatabase {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The client's configuration holds the API key.
        formatter.debug_struct("VectorDatabase").field("url", &self.client.config.uri).finish()
    }
}
