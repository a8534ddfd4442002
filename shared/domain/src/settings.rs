//! How a collection is indexed.

use thiserror::Error;

use crate::{CollectionId, Quantization};

/// Chunk size and overlap, both in tokens of the collection's model, special tokens included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkSettings {
    /// The most tokens a chunk may have.
    pub chunk_size: u32,
    /// How many tokens a chunk repeats of the one before it.
    pub chunk_overlap: u32,
}

/// Settings that cannot be honoured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChunkSettingsError {
    /// Larger than what the model reads: the rest would be cut off silently.
    #[error("{got} tokens are more than the {limit} that {model} reads; choose 16 to {limit}")]
    ExceedsModel {
        /// The size that was asked for.
        got: u32,
        /// The model's limit.
        limit: u32,
        /// The model's name.
        model: String,
    },
    /// Too small to hold a sentence.
    #[error("{got} tokens are too few for a chunk; choose 16 to {limit}")]
    TooSmall {
        /// The size that was asked for.
        got: u32,
        /// The model's limit.
        limit: u32,
    },
    /// An overlap as long as the chunk would never get to the end.
    #[error("{overlap} tokens are not less than a chunk of {size}; choose 0 to {}", size - 1)]
    OverlapTooLarge {
        /// The overlap that was asked for.
        overlap: u32,
        /// The chunk size that it must stay below.
        size: u32,
    },
}

impl ChunkSettingsError {
    /// The field of the request that is wrong.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::ExceedsModel { .. } | Self::TooSmall { .. } => "chunk_size",
            Self::OverlapTooLarge { .. } => "chunk_overlap",
        }
    }
}

impl ChunkSettings {
    /// The smallest chunk that is worth a vector, in tokens.
    pub const MIN_CHUNK_SIZE: u32 = 16;
    /// The default size where the model reads more than that, in tokens.
    pub const DEFAULT_CHUNK_SIZE: u32 = 1000;

    /// Checks what was asked for and fills in the defaults: the smaller of 1000 and the model's
    /// limit, with an overlap of a fifth.
    ///
    /// # Errors
    /// Names the field, what came and what is allowed.
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

/// Everything that decides what a collection's vectors look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSettings {
    /// The embedding model's full name.
    pub embedding_model: String,
    /// Precision of the stored vectors.
    pub quantization: Quantization,
    /// Size and overlap of chunks.
    pub chunks: ChunkSettings,
}

/// The name of a collection's Qdrant collection: `{uuid}_{model}_{quantization}`. It never
/// derives from the display name, so renaming moves nothing.
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
    fn refusals_name_both_numbers() {
        let error = ChunkSettings::resolve(Some(512), None, "m", 256).unwrap_err();
        assert_eq!(error.to_string(), "512 tokens are more than the 256 that m reads; choose 16 to 256");
        let error = ChunkSettings::resolve(Some(100), Some(100), "m", 256).unwrap_err();
        assert_eq!(error.to_string(), "100 tokens are not less than a chunk of 100; choose 0 to 99");
    }
}
