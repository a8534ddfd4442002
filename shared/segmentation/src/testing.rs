//! The real model's tokenizer, for tests.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use chunking::ModelTokenizer;

use crate::ModelTokens;

/// The tokenizer of MiniLM, from `MODELS_DIR` or the checkout's own stack.
pub(crate) fn tokens() -> &'static ModelTokens {
    static TOKENS: OnceLock<ModelTokens> = OnceLock::new();
    TOKENS.get_or_init(|| {
        let models = std::env::var_os("MODELS_DIR").map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.local/models")),
            PathBuf::from,
        );
        let tokenizer = ModelTokenizer::open(&models.join("all-MiniLM-L6-v2/tokenizer.json"))
            .unwrap_or_else(|error| panic!("{error}; run scripts/stack up, or set MODELS_DIR"));
        ModelTokens { tokenizer: Arc::new(tokenizer), vectors: None }
    })
}
