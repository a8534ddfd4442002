//! The embedding models of a process, each opened when it is first asked for.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use domain::Quantization;
use models::ModelRegistry;

use crate::{Embedder, EmbedderOptions, EmbeddingError, OrtRuntime};

/// The models of a folder. Synchronous like everything here: opening a model takes a tenth of a
/// second.
#[derive(Debug)]
pub struct Embedders {
    registry: ModelRegistry,
    runtime: OrtRuntime,
    options: EmbedderOptions,
    /// By the model's name and the precision of the graph.
    open: Mutex<HashMap<(String, Quantization), Arc<Embedder>>>,
}

impl Embedders {
    /// Loads ONNX Runtime for these models.
    ///
    /// # Errors
    /// When the library cannot be loaded.
    pub fn open(
        registry: ModelRegistry,
        onnx_runtime: &Path,
        options: EmbedderOptions,
    ) -> Result<Self, EmbeddingError> {
        Ok(Self { registry, runtime: OrtRuntime::load(onnx_runtime)?, options, open: Mutex::default() })
    }

    /// Opens the first model and has it read a word, so that what is wrong with the runtime, the card or
    /// the model is known before there is anything to lose.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn try_out(&self) -> Result<(), EmbeddingError> {
        if let Some(folder) = self.registry.folders()?.first() {
            let embedder = self.find(&folder.manifest.name, Quantization::Float16)?;
            embedder.embed_passages(&["word"])?;
        }
        Ok(())
    }

    /// The model of this name for collections of this quantization, opened at the first call.
    ///
    /// # Errors
    /// When there is no such model here, or its files are damaged.
    pub fn find(&self, model: &str, quantization: Quantization) -> Result<Arc<Embedder>, EmbeddingError> {
        let folder = self.registry.require(model)?;
        // Quantizations that share a graph share its session.
        let precision = folder.precision(quantization);
        // Held while the model is opened: a second caller waits instead of opening it twice.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(embedder) = open.get(&(model.to_owned(), precision)) {
            return Ok(Arc::clone(embedder));
        }
        let embedder = Arc::new(Embedder::open(&self.runtime, &folder, quantization, self.options)?);
        open.insert((model.to_owned(), precision), Arc::clone(&embedder));
        Ok(embedder)
    }
}
