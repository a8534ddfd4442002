//! The embedding models of this process, each opened when it is first asked for.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use domain::{Classify, ErrorKind};
use embedding::{Embedder, EmbedderOptions, EmbeddingError, OrtRuntime};
use models::{ModelRegistry, ModelsError};
use thiserror::Error;

/// A query that could not be embedded.
#[derive(Debug, Error)]
pub(crate) enum EmbedQueryError {
    /// The function was deployed without this model.
    #[error("the model {0} is not deployed with the search function")]
    UnknownModel(String),
    /// The model cannot be opened or run.
    #[error("the query cannot be embedded")]
    Embedding(#[from] EmbeddingError),
    /// The thread that ran the model ended early.
    #[error("the query cannot be embedded")]
    Thread(#[from] tokio::task::JoinError),
}

impl Classify for EmbedQueryError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Embedding(error) => error.kind(),
            Self::UnknownModel(_) | Self::Thread(_) => ErrorKind::Internal,
        }
    }
}

/// One model, open or not.
#[derive(Debug, Default)]
struct Slot {
    embedder: OnceLock<Embedder>,
    opening: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
pub(crate) struct Embedders {
    registry: Arc<ModelRegistry>,
    runtime: Arc<OrtRuntime>,
    slots: HashMap<String, Arc<Slot>>,
}

impl Embedders {
    /// Looks at the model folders and loads ONNX Runtime.
    pub(crate) fn open(models_dir: &Path, onnx_runtime: &Path) -> Result<Self, lambda::Error> {
        let registry = ModelRegistry::open(models_dir)?;
        let names = registry.names().into_iter().map(str::to_owned);
        Ok(Self {
            slots: names.map(|name| (name, Arc::default())).collect(),
            runtime: Arc::new(OrtRuntime::load(onnx_runtime)?),
            registry: Arc::new(registry),
        })
    }

    /// The query's vector by this model.
    pub(crate) async fn embed_query(&self, model: &str, query: &str) -> Result<Vec<f32>, EmbedQueryError> {
        let slot = self.slots.get(model).cloned();
        let slot = slot.ok_or_else(|| EmbedQueryError::UnknownModel(model.to_owned()))?;
        self.ensure_open(model, &slot).await?;
        let query = query.to_owned();
        let unknown = EmbedQueryError::UnknownModel(model.to_owned());
        tokio::task::spawn_blocking(move || {
            let embedder = slot.embedder.get().ok_or(unknown)?;
            Ok(embedder.embed_query(&query)?)
        })
        .await?
    }

    async fn ensure_open(&self, model: &str, slot: &Arc<Slot>) -> Result<(), EmbedQueryError> {
        if slot.embedder.get().is_some() {
            return Ok(());
        }
        let _one_at_a_time = slot.opening.lock().await;
        if slot.embedder.get().is_some() {
            return Ok(());
        }
        let (registry, runtime, name) =
            (Arc::clone(&self.registry), Arc::clone(&self.runtime), model.to_owned());
        let embedder = tokio::task::spawn_blocking(move || {
            let folder = registry
                .require(&name)
                .map_err(|_: ModelsError| EmbedQueryError::UnknownModel(name.clone()))?;
            Ok::<_, EmbedQueryError>(Embedder::open(&runtime, folder, EmbedderOptions::default())?)
        })
        .await??;
        // Nobody else can have set it: the lock is held.
        let _ = slot.embedder.set(embedder);
        Ok(())
    }
}
