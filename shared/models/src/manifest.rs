//! The manifest of a model folder, `model.json`.

use std::path::Path;

use domain::{ChunkSettings, ChunkSettingsError};
use serde::{Deserialize, Serialize};

use crate::{ModelFile, ModelVariants, ModelsError};

/// What a model is called, reads and returns. One manifest describes one folder.
///
/// A word on counting: every limit and size here is in tokens of the model's own tokenizer, and
/// counts the special tokens that it adds (`[CLS]`, `</s>`, ...), because the model reads those
/// like any other. [`ModelManifest::text_tokens`] takes them off again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelManifest {
    /// The name that users choose it by, as on the Hugging Face hub: `owner/model`.
    pub name: String,
    /// The name inside Qdrant collection names: lower-case letters, digits, `-` and `.`.
    pub short_name: String,
    /// How many numbers a vector has.
    pub dimension: u32,
    /// The most tokens that the model reads of one text, special tokens included. The rest of a
    /// longer text would not be seen.
    pub max_tokens: u32,
    /// How many tokens the tokenizer adds around a text.
    pub special_tokens: u32,
    /// How the vectors of tokens become the vector of a text.
    pub pooling: Pooling,
    /// Whether vectors are scaled to length one.
    pub normalize: bool,
    /// Put before a query, as the model was trained: `query: ` for the e5 family.
    #[serde(default)]
    pub query_prefix: String,
    /// Put before a passage, as the model was trained: `passage: ` for the e5 family.
    #[serde(default)]
    pub passage_prefix: String,
    /// How many tokens `passage_prefix` is.
    #[serde(default)]
    pub passage_prefix_tokens: u32,
    /// The id that fills up the shorter texts of a batch; the attention mask hides it.
    #[serde(default)]
    pub padding_token_id: u32,
    /// Where the filling stands.
    #[serde(default)]
    pub padding_side: PaddingSide,
    /// The tokenizer, in the format of Hugging Face's `tokenizers`.
    #[serde(default = "default_tokenizer")]
    pub tokenizer: ModelFile,
    /// A small vector for each token, which chunking by subject goes by, where the model has such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub static_vectors: Option<ModelFile>,
    /// The graphs, by precision. The default is the name of a Hugging Face export.
    #[serde(default)]
    pub variants: ModelVariants,
    /// A digest of what the folder was made from, so that its maker knows when it is out of date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_from: Option<String>,
}

/// How the vectors of a text's tokens become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// The mean over all tokens, special ones included, padding not.
    Mean,
    /// The first token's vector.
    Cls,
    /// The last token's vector, padding not counted.
    LastToken,
}

/// On which side of the shorter texts of a batch the filling stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaddingSide {
    /// After the text, as encoders have it.
    #[default]
    Right,
    /// Before the text, as some decoders have it.
    Left,
}

fn default_tokenizer() -> ModelFile {
    ModelFile::named("tokenizer.json")
}

impl ModelManifest {
    /// The most tokens of text that a chunk of `chunk_size` tokens may have: what remains when the
    /// model's special tokens and its passage prefix are in. A chunk that keeps to this is embedded
    /// whole, and the prefix never pushes its end out.
    pub const fn text_tokens(&self, chunk_size: u32) -> u32 {
        chunk_size.saturating_sub(self.special_tokens + self.passage_prefix_tokens)
    }

    /// Checks a chunk size and overlap that were asked for against this model, and fills in the
    /// defaults: the smaller of 1000 and `max_tokens`, with an overlap of a fifth.
    ///
    /// # Errors
    /// When a chunk of that size would be cut off by the model, or could not move forward.
    pub fn chunk_settings(
        &self,
        chunk_size: Option<u32>,
        chunk_overlap: Option<u32>,
    ) -> Result<ChunkSettings, ChunkSettingsError> {
        ChunkSettings::resolve(chunk_size, chunk_overlap, &self.name, self.max_tokens)
    }

    /// The tokenizer, the static vectors, and every graph with its weights.
    fn all_files(&self) -> impl Iterator<Item = &ModelFile> {
        let graphs = self.variants.iter().flat_map(|(_, variant)| variant.files());
        std::iter::once(&self.tokenizer).chain(&self.static_vectors).chain(graphs)
    }

    /// Reads the manifest that lies at `path`.
    ///
    /// # Errors
    /// [`ModelsError::Malformed`] or [`ModelsError::Contradictory`].
    pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<Self, ModelsError> {
        let manifest: Self = match serde_json::from_slice(bytes) {
            Ok(manifest) => manifest,
            Err(source) => return Err(ModelsError::Malformed { path: path.to_owned(), source }),
        };
        manifest.check(path)?;
        Ok(manifest)
    }

    /// Refuses a manifest that no model can fulfil.
    fn check(&self, path: &Path) -> Result<(), ModelsError> {
        let contradiction = |field, got: String, allowed: String| {
            Err(ModelsError::Contradictory { path: path.to_owned(), field, got, allowed })
        };
        if self.name.trim().is_empty() {
            return contradiction("name", format!("{:?}", self.name), "it must not be empty".to_owned());
        }
        if !is_short_name(&self.short_name) {
            let allowed = "it may have lower-case letters, digits, '-' and '.', 48 at most".to_owned();
            return contradiction("short_name", format!("{:?}", self.short_name), allowed);
        }
        if self.dimension == 0 {
            return contradiction("dimension", "0".to_owned(), "it must be at least 1".to_owned());
        }
        // The smallest chunk must have room for text.
        let added = self.special_tokens.saturating_add(self.passage_prefix_tokens);
        if added >= ChunkSettings::MIN_CHUNK_SIZE {
            let allowed = format!(
                "together with passage_prefix_tokens it must stay below the smallest chunk, {}",
                ChunkSettings::MIN_CHUNK_SIZE
            );
            return contradiction("special_tokens", self.special_tokens.to_string(), allowed);
        }
        if self.max_tokens < ChunkSettings::MIN_CHUNK_SIZE {
            let allowed =
                format!("it must be at least the smallest chunk, {}", ChunkSettings::MIN_CHUNK_SIZE);
            return contradiction("max_tokens", self.max_tokens.to_string(), allowed);
        }
        if self.variants.iter().next().is_none() {
            let allowed = "give at least one of float32, float16 and int8".to_owned();
            return contradiction("variants", "empty".to_owned(), allowed);
        }
        for file in self.all_files() {
            if !is_plain_file_name(&file.name) {
                let allowed = "it must name a file in the model folder itself, without a path".to_owned();
                return contradiction("a file's name", format!("{:?}", file.name), allowed);
            }
        }
        Ok(())
    }
}

/// Whether a name can stand inside a Qdrant collection name and a URL as it is.
fn is_short_name(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    !name.is_empty() && name.len() <= 48 && name.bytes().all(allowed)
}

/// Whether a name stays inside its folder.
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
    fn a_misspelt_field_is_refused() {
        let json = serde_json::to_string(&manifest("")).unwrap().replace("query_prefix", "query_prefx");
        let error = serde_json::from_str::<ModelManifest>(&json).unwrap_err();
        assert!(error.to_string().contains("query_prefx"), "{error}");
    }

    #[test]
    fn special_tokens_and_the_prefix_take_their_room_from_the_text() {
        let plain = manifest("");
        assert_eq!(plain.text_tokens(256), 254);
        let prefixed = manifest(r#", "passage_prefix": "passage: ", "passage_prefix_tokens": 2"#);
        assert_eq!(prefixed.text_tokens(256), 252);
    }

    #[test]
    fn chunk_settings_follow_the_models_limit() {
        let settings = manifest("").chunk_settings(None, None).unwrap();
        assert_eq!((settings.chunk_size, settings.chunk_overlap), (512, 102));
        let error = manifest("").chunk_settings(Some(513), None).unwrap_err();
        assert!(error.to_string().contains("513"), "{error}");
        assert!(error.to_string().contains("512 that intfloat/e5-small-v2 reads"), "{error}");
    }

    #[test]
    fn impossible_manifests_are_refused_with_the_field_and_the_rule() {
        let refused = |change: fn(&mut ModelManifest)| {
            let mut manifest = manifest("");
            change(&mut manifest);
            manifest.check(Path::new("m/model.json")).unwrap_err().to_string()
        };
        assert_eq!(
            refused(|manifest| manifest.short_name = "E5_small".to_owned()),
            r#"m/model.json: short_name is "E5_small"; it may have lower-case letters, digits, '-' and '.', 48 at most"#
        );
        assert_eq!(
            refused(|manifest| manifest.passage_prefix_tokens = 14),
            "m/model.json: special_tokens is 2; together with passage_prefix_tokens it must stay below the smallest chunk, 16"
        );
        assert_eq!(
            refused(|manifest| manifest.max_tokens = 8),
            "m/model.json: max_tokens is 8; it must be at least the smallest chunk, 16"
        );
        assert_eq!(
            refused(|manifest| manifest.variants.float32 = None),
            "m/model.json: variants is empty; give at least one of float32, float16 and int8"
        );
        for escape in ["../model.onnx", "/etc/passwd", "a/b", "", ".."] {
            let mut manifest = manifest("");
            manifest.tokenizer.name = escape.to_owned();
            let error = manifest.check(Path::new("m/model.json")).unwrap_err();
            assert!(error.to_string().contains("without a path"), "{escape}: {error}");
        }
    }
}
