//! Tokenizers and static vectors of models, opened on first use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chunking::{ModelTokenizer, StaticVectors, Strategy};
use models::ModelFolder;

use crate::SegmentationError;

/// A model's tokenizer, and its static vectors if the strategy needs them.
#[derive(Debug, Clone)]
pub struct ModelTokens {
    /// Counts tokens.
    pub tokenizer: Arc<ModelTokenizer>,
    /// Compares sentences.
    pub vectors: Option<Arc<StaticVectors>>,
}

/// A cache of [`ModelTokens`] by model name.
#[derive(Debug, Default)]
pub struct TokensByModel {
    opened: Mutex<HashMap<String, ModelTokens>>,
}

impl TokensByModel {
    /// Returns what a strategy needs of a model. Concurrent callers wait for the one that opens it.
    ///
    /// A model without static vectors is no error here: the chunker reports it.
    ///
    /// # Errors
    /// Returns an error if a file that the model's manifest names is missing or damaged.
    pub fn get_or_open(
        &self,
        model: &ModelFolder,
        strategy: Strategy,
    ) -> Result<ModelTokens, SegmentationError> {
        let name = &model.manifest.name;
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tokens = match opened.get(name) {
            Some(tokens) => tokens.clone(),
            None => ModelTokens {
                tokenizer: Arc::new(ModelTokenizer::open(&model.tokenizer_path()?)?),
                vectors: None,
            },
        };
        if strategy.needs_vectors()
            && tokens.vectors.is_none()
            && let Some(path) = model.static_vectors_path()?
        {
            tokens.vectors = Some(Arc::new(StaticVectors::open(&path)?));
        }
        opened.insert(name.clone(), tokens.clone());
        Ok(tokens)
    }
}
