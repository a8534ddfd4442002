//! The chunk batches of a document's version, and their vectors.

use domain::{ArtifactKey, ChunkRecord, CollectionId, DocumentId};

use crate::codec::{StagedVectors, decode_chunks, decode_vectors};
use crate::{ArtifactError, ArtifactStore};

/// Names one batch of one version of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchKey {
    /// The document's collection.
    pub collection_id: CollectionId,
    /// The document.
    pub document_id: DocumentId,
    /// The version.
    pub generation: i32,
    /// Which batch, from 0.
    pub batch: u32,
}

impl BatchKey {
    /// Where its chunks lie.
    pub fn chunks(self) -> ArtifactKey {
        let Self { collection_id, document_id, generation, batch } = self;
        ArtifactKey::Chunks { collection_id, document_id, generation, batch }
    }

    /// Where their vectors lie.
    pub fn vectors(self) -> ArtifactKey {
        let Self { collection_id, document_id, generation, batch } = self;
        ArtifactKey::Vectors { collection_id, document_id, generation, batch }
    }
}

impl ArtifactStore {
    /// The chunks of a batch.
    ///
    /// # Errors
    /// [`ArtifactError::NotFound`] if there is no such batch.
    pub async fn read_chunks(&self, key: BatchKey) -> Result<Vec<ChunkRecord>, ArtifactError> {
        let key = key.chunks();
        let bytes = self.read(&key).await?;
        decode_chunks(&bytes)
            .map_err(|error| ArtifactError::Malformed { key: key.path(), reason: error.to_string() })
    }

    /// The vectors of a batch.
    ///
    /// # Errors
    /// [`ArtifactError::NotFound`] if the batch was never embedded.
    pub async fn read_vectors(&self, key: BatchKey) -> Result<StagedVectors, ArtifactError> {
        let key = key.vectors();
        let bytes = self.read(&key).await?;
        decode_vectors(&bytes).map_err(|reason| ArtifactError::Malformed { key: key.path(), reason })
    }
}
