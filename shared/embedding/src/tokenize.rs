//! Texts to token ids, exactly as the model was trained to see them.

use models::{ModelFolder, ModelManifest};
use tokenizers::{Tokenizer, TruncationParams};

use crate::EmbeddingError;

/// A model's tokenizer, cutting texts at the model's limit.
#[derive(Debug)]
pub(crate) struct TextTokenizer {
    tokenizer: Tokenizer,
    padding_token_id: u32,
}

/// The token ids of one text: never empty, never more than the model reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextTokens {
    /// Ids in reading order, special tokens included.
    pub ids: Vec<u32>,
    /// Whether the text was longer than the model reads.
    pub truncated: bool,
}

impl TextTokenizer {
    /// Opens a folder's tokenizer and checks what the manifest says about it.
    pub fn open(folder: &ModelFolder) -> Result<Self, EmbeddingError> {
        let path = folder.tokenizer_path()?;
        let unusable = |source| EmbeddingError::Tokenizer { path: path.clone(), source };
        let mut tokenizer = Tokenizer::from_file(&path).map_err(unusable)?;
        // The file's own settings are those of some earlier use (this model's cuts at 128 and pads
        // to it); the limit is the manifest's, and padding is the batch's business.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(unusable)?;
        check_manifest(&tokenizer, &folder.manifest)?;
        let truncation = TruncationParams {
            max_length: folder.manifest.max_tokens as usize,
            ..TruncationParams::default()
        };
        tokenizer.with_truncation(Some(truncation)).map_err(unusable)?;
        Ok(Self { tokenizer, padding_token_id: folder.manifest.padding_token_id })
    }

    /// The tokens of one text.
    pub fn encode(&self, text: &str) -> Result<TextTokens, EmbeddingError> {
        let encoding = self.tokenizer.encode_fast(text, true).map_err(EmbeddingError::Tokenize)?;
        let mut ids = encoding.get_ids().to_vec();
        // A tokenizer without special tokens makes nothing of the empty text, and a model cannot
        // read nothing.
        if ids.is_empty() {
            ids.push(self.padding_token_id);
        }
        Ok(TextTokens { ids, truncated: !encoding.get_overflowing().is_empty() })
    }
}

/// The chunker trusts the manifest's counts so that no chunk is cut off here: they must be true.
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
        let found = format!("its tokenizer makes {prefix_tokens} of the prefix");
        return mismatch("passage_prefix_tokens", manifest.passage_prefix_tokens, found);
    }
    Ok(())
}
