//! The seam between the stage and ONNX Runtime.

use std::fmt::Debug;
use std::sync::atomic::AtomicBool;

use domain::IndexSettings;
use embedding::{Embedders, EmbeddingError};

/// Computes the vectors of chunks. Implemented by [`Embedders`]; tests that need no model bring their
/// own.
pub trait ChunkEmbedder: Debug + Send + Sync {
    /// Returns one vector for each text, computed by the settings' model and quantization. Blocks the
    /// thread.
    ///
    /// # Errors
    /// Returns `Unavailable` if `is_aborted` becomes true before all texts are embedded.
    fn embed(
        &self,
        settings: &IndexSettings,
        texts: &[&str],
        is_aborted: &AtomicBool,
    ) -> Result<Vec<Vec<f32>>, EmbeddingError>;

    /// Embeds one word, so that a broken runtime, device or model is found before any message is received.
    ///
    /// # Errors
    /// Returns what is broken.
    fn warm_up(&self) -> Result<(), EmbeddingError>;
}

impl ChunkEmbedder for Embedders {
    fn embed(
        &self,
        settings: &IndexSettings,
        texts: &[&str],
        is_aborted: &AtomicBool,
    ) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        self.find(&settings.embedding_model, settings.quantization)?
            .embed_chunks_cancellable(texts, is_aborted)
    }

    fn warm_up(&self) -> Result<(), EmbeddingError> {
        Embedders::warm_up(self)
    }
}
