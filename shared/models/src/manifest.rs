//! The manifest of a model folder, `model.json`.

use std::path::Path;

use domain::{ChunkSettings, ChunkSettingsError};
use serde::{Deserialize, Serialize};

use crate::{ModelFile, ModelVariants, ModelsError};

/// The name of a manifest in its folder.
pub(crate) const MANIFEST: &str = "model.json";

/// The manifest of a model: its names, limits and files.
///
/// Limits and sizes are in tokens of the model's own tokenizer, including the special tokens that it adds
/// (`[CLS]`, `</s>`, ...), because the model reads those like any other. [`ModelManifest::text_tokens`] subtracts
/// them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelManifest {
    /// The name that users choose it by: `owner/model`, as on the Hugging Face hub.
    pub name: String,
    /// The name in Qdrant collection names: lower-case letters, digits, `-` and `.`, 48 at most.
    pub short_name: String,
    /// The dimension of its vectors.
    pub dimension: u32,
    /// The longest text that the model reads, in tokens, including special tokens. The rest of a longer text is
    /// truncated.
    pub max_tokens: u32,
    /// The number of tokens that the tokenizer adds to a text.
    pub special_tokens: u32,
    /// How the vectors of a text's tokens are combined.
    pub pooling: Pooling,
    /// Whether vectors are normalized to length 1.
    pub normalize: bool,
    /// Prepended to a query, as in training: `query: ` for the e5 family.
    #[serde(default)]
    pub query_prefix: String,
    /// Prepended to a chunk, as in training: `passage: ` for the e5 family.
    #[serde(default)]
    pub passage_prefix: String,
    /// The number of tokens of `passage_prefix`.
    #[serde(default)]
    pub passage_prefix_tokens: u32,
    /// The id of the padding token, which fills up shorter texts of a batch; the attention mask hides it.
    #[serde(default)]
    pub padding_token_id: u32,
    /// The side on which texts are padded.
    #[serde(default)]
    pub padding_side: PaddingSide,
    /// The tokenizer, in the format of Hugging Face's `tokenizers`.
    #[serde(default = "default_tokenizer")]
    pub tokenizer: ModelFile,
    /// Static token vectors, which semantic chunking uses, if the model has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub static_vectors: Option<ModelFile>,
    /// The graphs by precision. Defaults to the file name of a Hugging Face export.
    #[serde(default)]
    pub variants: ModelVariants,
    /// A digest of the inputs of the folder, by which the script that made it detects that it is outdated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_from: Option<String>,
}

/// How the vectors of a text's tokens are combined into one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The mean of all tokens, including special tokens, excluding padding.
    Mean,
    /// The vector of the first token.
    Cls,
    /// The vector of the last token before the padding.
    LastToken,
}

/// The side on which shorter texts of a batch are padded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaddingSide {
    /// After the text, as for encoders.
    #[default]
    Right,
    /// Before the text, as for some decoders.
    Left,
}

fn default_tokenizer() -> ModelFile {
    ModelFile::named("tokenizer.json")
}

impl ModelManifest {
    /// Returns how many tokens of text a chunk of `chunk_size` tokens has room for, after the model's special
    /// tokens and passage prefix. A chunk within this limit is embedded without truncation.
    pub const fn text_tokens(&self, chunk_size: u32) -> u32 {
        chunk_size.saturating_sub(self.special_tokens + self.passage_prefix_tokens)
    }

    /// Validates the requested chunk size and overlap against this model, and fills in the defaults: the smaller
    /// of 1000 and `max_tokens`, and a fifth of that.
    ///
    /// # Errors
    /// Returns an error if the model would truncate such a chunk, or the overlap is not smaller than the chunk.
    pub fn chunk_settings(
        &self,
        chunk_size: Option<u32>,
        chunk_overlap: Option<u32>,
    ) -> Result<ChunkSettings, ChunkSettingsError> {
        ChunkSettings::resolve(chunk_size, chunk_overlap, &self.name, self.max_tokens)
    }

    /// Returns the tokenizer, the static vectors, and every graph with its weights.
    fn all_files(&self) -> impl Iterator<Item = &ModelFile> {
        let graphs = self.variants.iter().flat_map(|(_, variant)| variant.files());
        std::iter::once(&self.tokenizer).chain(&self.static_vectors).chain(graphs)
    }

    /// Parses and validates the manifest at `path`.
    ///
    /// # Errors
    /// Returns `Malformed` or `InvalidField`.
    pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<Self, ModelsError> {
        let manifest: Self = match serde_json::from_slice(bytes) {
            Ok(manifest) => manifest,
            Err(source) => return Err(ModelsError::Malformed { path: path.to_owned(), source }),
        };
        manifest.check(path)?;
        Ok(manifest)
    }

    /// Checks the values of the fields.
    fn check(&self, path: &Path) -> Result<(), ModelsError> {
        let invalid = |field, got: String, allowed: String| {
            Err(ModelsError::InvalidField { path: path.to_owned(), field, got, allowed })
        };
        if self.name.trim().is_empty() {
            return invalid("name", format!("{:?}", self.name), "it must not be empty".to_owned());
        }
        if !is_short_name(&self.short_name) {
            let allowed = "it may have lower-case letters, digits, '-' and '.', 48 at most".to_owned();
            return invalid("short_name", format!("{:?}", self.short_name), allowed);
        }
        if self.dimension == 0 {
            return invalid("dimension", "0".to_owned(), "it must be at least 1".to_owned());
        }
        // The smallest allowed chunk must have room for text.
        let added = self.special_tokens.saturating_add(self.passage_prefix_tokens);
        if added >= ChunkSettings::MIN_CHUNK_SIZE {
            let allowed = format!(
                "together with passage_prefix_tokens it must be below the smallest chunk size, {}",
                ChunkSettings::MIN_CHUNK_SIZE
            );
            return invalid("special_tokens", self.special_tokens.to_string(), allowed);
        }
        if self.max_tokens < ChunkSettings::MIN_CHUNK_SIZE {
            let allowed =
                format!("it must be at least the smallest chunk size, {}", ChunkSettings::MIN_CHUNK_SIZE);
            return invalid("max_tokens", self.max_tokens.to_string(), allowed);
        }
        if self.variants.iter().next().is_none() {
            let allowed = "it must have at least one of float32, float16 and int8".to_owned();
            return invalid("variants", "empty".to_owned(), allowed);
        }
        for file in self.all_files() {
            if !is_plain_file_name(&file.name) {
                let allowed = "it must name a file in the model folder itself, without a path".to_owned();
                return invalid("a file's name", format!("{:?}", file.name), allowed);
            }
        }
        Ok(())
    }
}

/// Returns whether a name needs no escaping in Qdrant collection names and URLs.
fn is_short_name(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    !name.is_empty() && name.len() <= 48 && name.bytes().all(allowed)
}

/// Returns whether a name is that of a file in the folder itself.
fn is_plain_file_name(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|file_name| file_name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(extra: &str) -> ModelManifest {
        let json = format!(
            r#"{{"name": "intfloat/e5-small-v2", "short_name": "e5-small-v2", "dimension": 384,
                "max_tokens": 512, "special_tokens": 2, "pooling": "mean", "normalize": true {extra}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn files_default_to_the_names_of_a_hugging_face_export() {
        let manifest = manifest("");
        let float32 = manifest.variants.float32.unwrap();
        assert_eq!((float32.graph.name.as_str(), float32.weights), ("model.onnx", None));
        assert_eq!(manifest.tokenizer.name, "tokenizer.json");
    }

    #[test]
    fn an_unknown_field_is_rejected() {
        let json = serde_json::to_string(&manifest("")).unwrap().replace("query_prefix", "query_prefx");
        let error = serde_json::from_str::<ModelManifest>(&json).unwrap_err();
        assert!(error.to_string().contains("query_prefx"), "{error}");
    }

    #[test]
    fn special_tokens_and_prefix_reduce_the_room_for_text() {
        let plain = manifest("");
        assert_eq!(plain.text_tokens(256), 254);
        let prefixed = manifest(r#", "passage_prefix": "passage: ", "passage_prefix_tokens": 2"#);
        assert_eq!(prefixed.text_tokens(256), 252);
    }

    #[test]
    fn chunk_settings_respect_the_models_limit() {
        let settings = manifest("").chunk_settings(None, None).unwrap();
        assert_eq!((settings.chunk_size, settings.chunk_overlap), (512, 102));
        let error = manifest("").chunk_settings(Some(513), None).unwrap_err();
        assert!(error.to_string().contains("513"), "{error}");
        assert!(error.to_string().contains("512 that intfloat/e5-small-v2 reads"), "{error}");
    }

    #[test]
    fn invalid_manifests_are_rejected_with_field_and_rule() {
        let rejection = |change: fn(&mut ModelManifest)| {
            let mut manifest = manifest("");
            change(&mut manifest);
            manifest.check(Path::new("m/model.json")).unwrap_err().to_string()
        };
        assert_eq!(
            rejection(|manifest| manifest.short_name = "E5_small".to_owned()),
            r#"m/model.json: short_name is "E5_small"; it may have lower-case letters, digits, '-' and '.', 48 at most"#
        );
        assert_eq!(
            rejection(|manifest| manifest.passage_prefix_tokens = 14),
            "m/model.json: special_tokens is 2; together with passage_prefix_tokens it must be below the smallest chunk size, 16"
        );
        assert_eq!(
            rejection(|manifest| manifest.max_tokens = 8),
            "m/model.json: max_tokens is 8; it must be at least the smallest chunk size, 16"
        );
        assert_eq!(
            rejection(|manifest| manifest.variants.float32 = None),
            "m/model.json: variants is empty; it must have at least one of float32, float16 and int8"
        );
        for escape in ["../model.onnx", "/etc/passwd", "a/b", "", ".."] {
            let mut manifest = manifest("");
            manifest.tokenizer.name = escape.to_owned();
            let error = manifest.check(Path::new("m/model.json")).unwrap_err();
            assert!(error.to_string().contains("without a path"), "{escape}: {error}");
        }
    }
}
