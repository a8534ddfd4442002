//! Chunks as points in Qdrant: one Qdrant collection for each of our collections, two named
//! vectors (`dense`, the embedding; `sparse`, the weights of the terms), and a payload whose
//! filtered fields are all indexed, since Qdrant Cloud refuses filters over others.
//!
//! Nothing else in the workspace knows Qdrant's client. The same calls go to a Qdrant server,
//! to Qdrant Cloud and to `infra/qdrant-local`; the address alone chooses. The contract tests
//! of `infra/qdrant-local` cover this crate against all of them.

mod chunks;
mod collections;
mod config;
mod error;
mod filter;
mod neighbours;
mod payload;
mod points;
mod search;
mod version;

use qdrant_client::Qdrant;

pub use chunks::StoredChunk;
pub use collections::CollectionSpec;
pub use config::VectorsConfig;
pub use error::VectorsError;
pub use filter::ChunkFilter;
pub use payload::{ChunkMetadata, ChunkPayload};
pub use points::ChunkPoint;
pub use search::{ChunkQuery, ScoredChunk};
pub use version::DocumentVersion;

/// The embedding of each point.
const DENSE: &str = "dense";
/// The weights of each point's terms.
const SPARSE: &str = "sparse";

/// A handle to Qdrant; clones share their connections.
#[derive(Clone)]
pub struct VectorStore {
    client: Qdrant,
}

impl VectorStore {
    /// Prepares a handle. Nothing is sent until the first call.
    pub fn connect(config: &VectorsConfig) -> Result<Self, VectorsError> {
        Ok(Self { client: config.client()? })
    }

    /// Whether Qdrant answers.
    pub async fn health(&self) -> Result<(), VectorsError> {
        let reply = self.client.health_check().await.map_err(VectorsError::from)?;
        tracing::debug!(qdrant.title = reply.title, qdrant.version = reply.version, "healthy");
        Ok(())
    }
}

impl std::fmt::Debug for VectorStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The client's configuration holds the API key.
        formatter.debug_struct("VectorStore").field("url", &self.client.config.uri).finish()
    }
}
