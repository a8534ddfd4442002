//! The embedding models of this process, each opened when it is first asked for.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use embedding::{Embedder, EmbedderOptions, OrtRuntime};
use lambda::StageError;
use models::ModelRegistry;

#[derive(Debug)]
pub(crate) struct Embedders {
    registry: ModelRegistry,
    runtime: OrtRuntime,
    open: Mutex<HashMap<String, Arc<Embedder>>>,
}

impl Embedders {
    /// Looks at the model folders and loads ONNX Runtime.
    pub(crate) fn open(models_dir: &Path, onnx_runtime: &Path) -> Result<Self, lambda::Error> {
        Ok(Self {
            registry: ModelRegistry::open(models_dir)?,
            runtime: OrtRuntime::load(onnx_runtime)?,
            open: Mutex::default(),
        })
    }

    /// The vectors of these texts by this model, in their order. Takes as long as it takes: call
    /// it on a thread of its own.
    pub(crate) fn embed(&self, model: &str, texts: &[&str]) -> Result<Vec<Vec<f32>>, StageError> {
        Ok(self.find_or_open(model)?.embed_passages(texts)?)
    }

    fn find_or_open(&self, model: &str) -> Result<Arc<Embedder>, StageError> {
        let folder = self.registry.require(model)?;
        // Held while the model is opened: a second caller waits instead of opening it twice.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(embedder) = open.get(model) {
            return Ok(Arc::clone(embedder));
        }
        let embedder = Arc::new(Embedder::open(&self.runtime, folder, EmbedderOptions::default())?);
        open.insert(model.to_owned(), Arc::clone(&embedder));
        Ok(embedder)
    }
}
