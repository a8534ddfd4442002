//! Index settings of a collection.

use thiserror::Error;

use crate::{CollectionId, Quantization};

/// Chunk size and overlap in tokens of the collection's model, including special tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkSettings {
    /// Maximum number of tokens of a chunk.
    pub chunk_size: u32,
    /// Number of tokens that a chunk repeats from the one before it.
    pub chunk_overlap: u32,
}

/// Chunk settings that are not valid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChunkSettingsError {
    /// Larger than the model's input, which would be truncated silently.
    #[error("{got} tokens are more than the {limit} that {model} reads; choose 16 to {limit}")]
    ExceedsModel {
        /// The requested size.
        got: u32,
        /// The model's limit.
        limit: u32,
        /// The model's name.
        model: String,
    },
    /// Too small for a sentence.
    #[error("{got} tokens are too few for a chunk; choose 16 to {limit}")]
    TooSmall {
        /// The requested size.
        got: u32,
        /// The model's limit.
        limit: u32,
    },
    /// Not smaller than the chunk size, so chunking would not advance.
    #[error("{overlap} tokens are not less than a chunk of {size}; choose 0 to {}", size - 1)]
    OverlapTooLarge {
        /// The requested overlap.
        overlap: u32,
        /// The chunk size.
        size: u32,
    },
}

impl ChunkSettingsError {
    /// Returns the request field that is not valid.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::ExceedsModel { .. } | Self::TooSmall { .. } => "chunk_size",
            Self::OverlapTooLarge { .. } => "chunk_overlap",
        }
    }
}

impl ChunkSettings {
    /// Minimum chunk size in tokens.
    pub const MIN_CHUNK_SIZE: u32 = 16;
    /// Default chunk size in tokens, unless the model's limit is lower.
    pub const DEFAULT_CHUNK_SIZE: u32 = 1000;

    /// Validates the requested settings and fills in the defaults: the smaller of 1,000 and the model's
    /// limit, with an overlap of a fifth.
    ///
    /// # Errors
    /// Returns which field is not valid, what is allowed and what was received.
    pub fn resolve(
        chunk_size: Option<u32>,
        chunk_overlap: Option<u32>,
        model: &str,
        model_limit: u32,
    ) -> Result<Self, ChunkSettingsError> {
        let size = chunk_size.unwrap_or_else(|| Self::DEFAULT_CHUNK_SIZE.min(model_limit));
        if size > model_limit {
            return Err(ChunkSettingsError::ExceedsModel {
                got: size,
                limit: model_limit,
                model: model.to_owned(),
            });
        }
        if size < Self::MIN_CHUNK_SIZE {
            return Err(ChunkSettingsError::TooSmall { got: size, limit: model_limit });
        }
        let overlap = chunk_overlap.unwrap_or(size / 5);
        if overlap >= size {
            return Err(ChunkSettingsError::OverlapTooLarge { overlap, size });
        }
        Ok(Self { chunk_size: size, chunk_overlap: overlap })
    }
}

/// Everything that determines the vectors of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSettings {
    /// Full name of the embedding model.
    pub embedding_model: String,
    /// Precision of the stored vectors.
    pub quantization: Quantization,
    /// Chunk size and overlap.
    pub chunks: ChunkSettings,
    /// Whether title and headings are put before a chunk's text when it is embedded and indexed.
    pub contextualize: bool,
    /// Whether OCR reads images, and pages without text.
    pub ocr: bool,
}

/// Returns the name of a collection's Qdrant collection: `{uuid}_{model}_{quantization}`. It does not
/// contain the display name, so renaming the collection does not move data.
pub fn vector_store_name(id: CollectionId, model_short_name: &str, quantization: Quantization) -> String {
    let precision = match quantization {
        Quantization::Float32 => "f32",
        Quantization::Float16 => "f16",
        Quantization::Int8 => "i8",
    };
    format!("{id}_{model_short_name}_{precision}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_models_limit_and_a_fifth() {
        let settings = ChunkSettings::resolve(None, None, "m", 256).unwrap();
        assert_eq!(settings, ChunkSettings { chunk_size: 256, chunk_overlap: 51 });
        let roomy = ChunkSettings::resolve(None, None, "m", 8192).unwrap();
        assert_eq!(roomy, ChunkSettings { chunk_size: 1000, chunk_overlap: 200 });
    }

    #[test]
    fn errors_name_the_value_and_the_limit() {
        let error = ChunkSettings::resolve(Some(512), None, "m", 256).unwrap_err();
        assert_eq!(error.to_string(), "512 tokens are more than the 256 that m reads; choose 16 to 256");
        let error = ChunkSettings::resolve(Some(100), Some(100), "m", 256).unwrap_err();
        assert_eq!(error.to_string(), "100 tokens are not less than a chunk of 100; choose 0 to 99");
    }
}
