//! Chunk batches of a document's generation, and their vectors.

use domain::{ArtifactKey, ChunkRecord, CollectionId, DocumentId, Generation};

use crate::codec::{BegunVectors, StagedVectors, decode_begun_vectors, decode_chunks, decode_vectors};
use crate::{ArtifactError, ArtifactStore};

/// The key of one chunk batch of a document's generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchKey {
    /// The document's collection.
    pub collection_id: CollectionId,
    /// The document.
    pub document_id: DocumentId,
    /// The document's generation.
    pub generation: Generation,
    /// The batch's number, from 0.
    pub batch: u32,
}

impl BatchKey {
    /// Returns the key of the batch's chunks.
    pub fn chunks(self) -> ArtifactKey {
        let Self { collection_id, document_id, generation, batch } = self;
        ArtifactKey::Chunks { collection_id, document_id, generation, batch }
    }

    /// Returns the key of the batch's vectors.
    pub fn vectors(self) -> ArtifactKey {
        let Self { collection_id, document_id, generation, batch } = self;
        ArtifactKey::Vectors { collection_id, document_id, generation, batch }
    }
}

impl ArtifactStore {
    /// Reads the chunks of a batch.
    ///
    /// # Errors
    /// Returns `NotFound` if there is no such batch, `Malformed` if it cannot be decoded.
    pub async fn read_chunks(&self, key: BatchKey) -> Result<Vec<ChunkRecord>, ArtifactError> {
        let key = key.chunks();
        let bytes = self.read(&key).await?;
        decode_chunks(&bytes)
            .map_err(|error| ArtifactError::Malformed { key: key.path(), reason: error.to_string() })
    }

    /// Reads the vectors of a batch.
    ///
    /// # Errors
    /// Returns `NotFound` if the batch has not been embedded, `Malformed` if it cannot be decoded.
    pub async fn read_vectors(&self, key: BatchKey) -> Result<StagedVectors, ArtifactError> {
        let key = key.vectors();
        let bytes = self.read(&key).await?;
        decode_vectors(&bytes).map_err(|reason| ArtifactError::Malformed { key: key.path(), reason })
    }
    /// Reads those vectors of a batch that are staged so far.
    ///
    /// # Errors
    /// Returns `NotFound` if there are none, `Malformed` if they cannot be decoded.
    pub async fn read_begun_vectors(&self, key: BatchKey) -> Result<BegunVectors, ArtifactError> {
        let key = key.vectors();
        let bytes = self.read(&key).await?;
        decode_begun_vectors(&bytes).map_err(|reason| ArtifactError::Malformed { key: key.path(), reason })
    }
}
