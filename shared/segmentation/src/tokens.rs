//! What a model counts and compares with, opened when it is first asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chunking::{ModelTokenizer, StaticVectors, Strategy};
use models::ModelFolder;

use crate::PassagesError;

/// A model's tokenizer, and the vectors of its tokens where they are needed.
#[derive(Debug, Clone)]
pub struct ModelTokens {
    /// Counts.
    pub tokenizer: Arc<ModelTokenizer>,
    /// Compares.
    pub vectors: Option<Arc<StaticVectors>>,
}

/// The tokens of each model that was asked for.
#[derive(Debug, Default)]
pub struct TokensByModel {
    opened: Mutex<HashMap<String, ModelTokens>>,
}

impl TokensByModel {
    /// What this model needs for this strategy. Somebody who asks while another opens it waits.
    ///
    /// # Errors
    /// When a file that the model should have is missing or broken. A model without vectors is none:
    /// whoever needs them says so.
    pub fn of(&self, model: &ModelFolder, strategy: Strategy) -> Result<ModelTokens, PassagesError> {
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
