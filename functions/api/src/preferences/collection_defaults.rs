//! Preferences for new collections.

use chunking::Strategy;
use domain::{Quantization, SparseType};
use lambda::http::FieldErrors;
use serde::{Deserialize, Serialize};
use serde_json::Map;
use utoipa::ToSchema;

use crate::State;
use crate::chunking::settings::{RequestedSizes, StrategyFields, check_sizes, check_strategy};
use crate::nullable::nullable;
use crate::openapi::words;

/// Defaults that clients prefill in the form for new collections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct CollectionDefaults {
    /// Embedding model; `null` for the installation's default.
    embedding_model: Option<String>,
    /// Quantization of the vectors.
    #[schema(value_type = words::Quantization)]
    quantization: Quantization,
    /// Chunking strategy.
    #[schema(value_type = words::ChunkingStrategy)]
    chunking_strategy: String,
    /// Maximum chunk size in tokens; `null` for the model's default.
    chunk_size: Option<u32>,
    /// Overlap of consecutive chunks in tokens; `null` for a fifth of `chunk_size`.
    chunk_overlap: Option<u32>,
    /// Whether to index sparse vectors.
    enable_sparse: bool,
    /// Type of the sparse vectors.
    #[schema(value_type = words::SparseType)]
    sparse_type: SparseType,
    /// Whether searches combine dense and sparse vectors.
    enable_hybrid: bool,
}

impl Default for CollectionDefaults {
    fn default() -> Self {
        Self {
            embedding_model: None,
            quantization: Quantization::Float16,
            chunking_strategy: Strategy::default().name().to_owned(),
            chunk_size: None,
            chunk_overlap: None,
            enable_sparse: false,
            sparse_type: SparseType::Bm25,
            enable_hybrid: false,
        }
    }
}

/// Changes of the defaults for new collections. Absent fields stay unchanged.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct CollectionDefaultsChanges {
    /// A model listed by `GET /api/v2/system/info`; `null` for the installation's default.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    embedding_model: Option<Option<String>>,
    /// Quantization of the vectors.
    #[schema(value_type = Option<words::Quantization>)]
    quantization: Option<Quantization>,
    /// A strategy listed by `GET /api/v2/chunking/strategies`.
    #[schema(value_type = Option<words::ChunkingStrategy>)]
    chunking_strategy: Option<String>,
    /// Maximum chunk size in tokens, 16 to the model's maximum; `null` for the model's default.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>, minimum = 16)]
    chunk_size: Option<Option<u32>>,
    /// Overlap of consecutive chunks in tokens, less than `chunk_size`; `null` for a fifth of it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>, minimum = 0)]
    chunk_overlap: Option<Option<u32>>,
    /// Whether to index sparse vectors.
    enable_sparse: Option<bool>,
    /// Type of the sparse vectors.
    #[schema(value_type = Option<words::SparseType>)]
    sparse_type: Option<SparseType>,
    /// Whether searches combine dense and sparse vectors.
    enable_hybrid: Option<bool>,
}

impl CollectionDefaults {
    /// Applies and validates the changes.
    pub(super) fn change(
        self,
        changes: CollectionDefaultsChanges,
        state: &State,
        errors: &mut FieldErrors,
    ) -> Self {
        let changed = Self {
            embedding_model: changes.embedding_model.unwrap_or(self.embedding_model),
            quantization: changes.quantization.unwrap_or(self.quantization),
            chunking_strategy: changes.chunking_strategy.unwrap_or(self.chunking_strategy),
            chunk_size: changes.chunk_size.unwrap_or(self.chunk_size),
            chunk_overlap: changes.chunk_overlap.unwrap_or(self.chunk_overlap),
            enable_sparse: changes.enable_sparse.unwrap_or(self.enable_sparse),
            sparse_type: changes.sparse_type.unwrap_or(self.sparse_type),
            enable_hybrid: changes.enable_hybrid.unwrap_or(self.enable_hybrid),
        };
        // The same validation as for new collections.
        let sizes = RequestedSizes {
            embedding_model: changed.embedding_model.as_deref(),
            chunk_size: changed.chunk_size.map(i64::from),
            chunk_overlap: changed.chunk_overlap.map(i64::from),
        };
        let mut own = FieldErrors::default();
        let sizes = check_sizes(&mut own, state, sizes);
        let (fields, strategy) = (StrategyFields::OF_COLLECTIONS, &changed.chunking_strategy);
        let strategy = check_strategy(&mut own, fields, strategy, &Map::new(), sizes.as_ref());
        errors.append("collection_defaults", own);
        match strategy {
            Some(strategy) => Self { chunking_strategy: strategy.name().to_owned(), ..changed },
            None => changed,
        }
    }
}
