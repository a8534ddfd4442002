//! The embedding models of a process, each opened at its first use.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use domain::Quantization;
use models::ModelRegistry;

use crate::{Embedder, EmbedderOptions, EmbeddingError, OrtRuntime};

/// The embedding models of a registry. Blocking, like everything in this crate: opening a model takes about 0.1
/// seconds.
#[derive(Debug)]
pub struct Embedders {
    registry: ModelRegistry,
    runtime: OrtRuntime,
    options: EmbedderOptions,
    /// Opened models by name and precision of the graph.
    open: Mutex<HashMap<(String, Quantization), Arc<Embedder>>>,
}

impl Embedders {
    /// Loads ONNX Runtime for the models of a registry.
    ///
    /// # Errors
    /// Returns an error if the library cannot be loaded.
    pub fn open(
        registry: ModelRegistry,
        onnx_runtime: &Path,
        options: EmbedderOptions,
    ) -> Result<Self, EmbeddingError> {
        Ok(Self { registry, runtime: OrtRuntime::load(onnx_runtime)?, options, open: Mutex::default() })
    }

    /// Opens the first model and embeds a word, so that problems with the runtime, the GPU or the model show up
    /// before any work is claimed.
    ///
    /// # Errors
    /// Returns an error if the model cannot be opened or run.
    pub fn warm_up(&self) -> Result<(), EmbeddingError> {
        if let Some(folder) = self.registry.folders()?.first() {
            let embedder = self.find(&folder.manifest.name, Quantization::Float16)?;
            embedder.embed_chunks(&["word"])?;
        }
        Ok(())
    }

    /// Returns the embedder of a model for collections with this quantization; opens it at the first call.
    ///
    /// # Errors
    /// Returns an error if there is no such model, or if its files are damaged.
    pub fn find(&self, model: &str, quantization: Quantization) -> Result<Arc<Embedder>, EmbeddingError> {
        let folder = self.registry.require(model)?;
        // Quantizations that use the same graph share an embedder.
        let precision = folder.precision(quantization);
        // Locked while the model is opened, so that concurrent callers do not open it twice.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(embedder) = open.get(&(model.to_owned(), precision)) {
            return Ok(Arc::clone(embedder));
        }
        let embedder = Arc::new(Embedder::open(&self.runtime, &folder, quantization, self.options)?);
        open.insert((model.to_owned(), precision), Arc::clone(&embedder));
        Ok(embedder)
    }
}
