//! Tokenization as the model was trained with, except for words that its tokenizer cannot read.

use std::fs;

use models::{ModelFolder, ModelManifest};
use tokenization::{read_tokenizer, unknown_token_id};
use tokenizers::{Tokenizer, TruncationParams};

use crate::EmbeddingError;

/// A model's tokenizer, which truncates texts at the model's limit.
#[derive(Debug)]
pub(crate) struct TextTokenizer {
    tokenizer: Tokenizer,
    padding_token_id: u32,
    special_tokens: usize,
    unknown_token_id: Option<u32>,
}

/// The token ids of one text: at least one, at most the model's limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextTokens {
    /// Token ids in order, including special tokens.
    pub ids: Vec<u32>,
    /// Whether the text was truncated.
    pub truncated: bool,
    /// Whether more than half of the tokens, other than special ones, stand for something the model does not know.
    pub mostly_unknown: bool,
}

impl TextTokenizer {
    /// Opens a folder's tokenizer and checks it against the manifest.
    pub fn open(folder: &ModelFolder) -> Result<Self, EmbeddingError> {
        let path = folder.tokenizer_path()?;
        let unusable = |source| EmbeddingError::Tokenizer { path: path.clone(), source };
        // The settings in the file are those of an earlier use (MiniLM's truncates at 128 and pads to it). The limit
        // is the manifest's, and batches are padded later.
        let json = fs::read(&path).map_err(|error| unusable(error.into()))?;
        let mut tokenizer = read_tokenizer(&json).map_err(unusable)?;
        check_manifest(&tokenizer, &folder.manifest)?;
        let truncation = TruncationParams {
            max_length: folder.manifest.max_tokens as usize,
            ..TruncationParams::default()
        };
        tokenizer.with_truncation(Some(truncation)).map_err(unusable)?;
        Ok(Self {
            padding_token_id: folder.manifest.padding_token_id,
            special_tokens: folder.manifest.special_tokens as usize,
            unknown_token_id: unknown_token_id(&tokenizer),
            tokenizer,
        })
    }

    /// Tokenizes one text.
    pub fn encode(&self, text: &str) -> Result<TextTokens, EmbeddingError> {
        let encoding = self.tokenizer.encode_fast(text, true).map_err(EmbeddingError::Tokenize)?;
        let mut ids = encoding.get_ids().to_vec();
        let unknown = ids.iter().filter(|id| Some(**id) == self.unknown_token_id).count();
        let mostly_unknown = unknown * 2 > ids.len().saturating_sub(self.special_tokens);
        // Without special tokens, the empty text has no tokens, and a model cannot run on none.
        if ids.is_empty() {
            ids.push(self.padding_token_id);
        }
        Ok(TextTokens { ids, truncated: !encoding.get_overflowing().is_empty(), mostly_unknown })
    }
}

/// Checks the manifest's token counts, which the chunker relies on so that no chunk is truncated.
fn check_manifest(tokenizer: &Tokenizer, manifest: &ModelManifest) -> Result<(), EmbeddingError> {
    let count = |text: &str| {
        tokenizer.encode_fast(text, true).map(|encoding| encoding.len()).map_err(EmbeddingError::Tokenize)
    };
    let mismatch = |field, said: u32, found| {
        let (model, said) = (manifest.name.clone(), said.to_string());
        Err(EmbeddingError::ManifestMismatch { model, field, said, found })
    };
    let special_tokens = count("")?;
    if special_tokens != manifest.special_tokens as usize {
        let found = format!("its tokenizer adds {special_tokens}");
        return mismatch("special_tokens", manifest.special_tokens, found);
    }
    let prefix_tokens = count(&manifest.passage_prefix)? - special_tokens;
    if prefix_tokens > manifest.passage_prefix_tokens as usize {
        let found = format!("its tokenizer splits the prefix into {prefix_tokens}");
        return mismatch("passage_prefix_tokens", manifest.passage_prefix_tokens, found);
    }
    Ok(())
}
