//! What a user's new collections start with.

use chunking::Strategy;
use domain::{Quantization, SparseType};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use utoipa::ToSchema;

use crate::State;
use crate::chunking::settings::{RequestedSizes, StrategyFields, check_sizes, check_strategy};
use crate::openapi::words;
use crate::validation::{Checks, given};

/// What clients fill in for this user's new collections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct CollectionDefaults {
    /// Null for the installation's default.
    embedding_model: Option<String>,
    #[schema(schema_with = words::quantization)]
    quantization: Quantization,
    #[schema(schema_with = words::chunking_strategy)]
    chunking_strategy: String,
    /// In tokens; null for what fits the model.
    chunk_size: Option<u32>,
    /// In tokens; null for a fifth of the size.
    chunk_overlap: Option<u32>,
    /// Whether words are compared too.
    enable_sparse: bool,
    /// How words are weighted.
    #[schema(schema_with = words::sparse_type)]
    sparse_type: SparseType,
    /// Whether searches compare both meanings and words.
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

/// What to change of it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CollectionDefaultsChanges {
    /// One of those that `GET /api/v2/system/info` lists; `null` for the installation's default.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    embedding_model: Option<Option<String>>,
    #[schema(schema_with = words::optional_quantization)]
    quantization: Option<Quantization>,
    /// One of those that `GET /api/v2/chunking/strategies` lists.
    #[schema(schema_with = words::optional_chunking_strategy)]
    chunking_strategy: Option<String>,
    /// 16 up to what the model reads; `null` for what fits it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 16)]
    chunk_size: Option<Option<u32>>,
    /// Less than `chunk_size`; `null` for a fifth of it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 0)]
    chunk_overlap: Option<Option<u32>>,
    enable_sparse: Option<bool>,
    #[schema(schema_with = words::optional_sparse_type)]
    sparse_type: Option<SparseType>,
    enable_hybrid: Option<bool>,
}

impl CollectionDefaults {
    pub(super) fn change(
        self,
        changes: CollectionDefaultsChanges,
        state: &State,
        checks: &mut Checks,
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
        // What a collection would be refused for is refused here already.
        let sizes = RequestedSizes {
            embedding_model: changed.embedding_model.as_deref(),
            chunk_size: changed.chunk_size.map(i64::from),
            chunk_overlap: changed.chunk_overlap.map(i64::from),
        };
        let mut own = Checks::default();
        let sizes = check_sizes(&mut own, state, sizes);
        let (fields, strategy) = (StrategyFields::OF_COLLECTIONS, &changed.chunking_strategy);
        let strategy = check_strategy(&mut own, fields, strategy, &Map::new(), sizes.as_ref());
        checks.append("collection_defaults", own);
        match strategy {
            Some(strategy) => Self { chunking_strategy: strategy.name().to_owned(), ..changed },
            None => changed,
        }
    }
}
