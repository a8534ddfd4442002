//! The seam between the stage and ONNX Runtime.

use std::fmt::Debug;

use domain::IndexSettings;
use embedding::{Embedders, EmbeddingError};

/// Computes the vectors of chunks. Implemented by [`Embedders`]; tests that need no model bring their
/// own.
pub trait ChunkEmbedder: Debug + Send + Sync {
    /// Returns one vector for each text, computed by the settings' model and quantization; `None` for those
    /// that are not embedded when `should_stop` returns true. Blocks the thread.
    ///
    /// # Errors
    /// Returns an error if the model cannot be opened or fails.
    fn embed(
        &self,
        settings: &IndexSettings,
        texts: &[&str],
        should_stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Option<Vec<f32>>>, EmbeddingError>;

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
        should_stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Option<Vec<f32>>>, EmbeddingError> {
        self.find(&settings.embedding_model, settings.quantization)?.embed_chunks_until(texts, should_stop)
    }

    fn warm_up(&self) -> Result<(), EmbeddingError> {
        Embedders::warm_up(self)
    }
}
