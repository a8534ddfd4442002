//! Preferences for searches.

use domain::{QualityTier, SearchMode};
use lambda::http::FieldErrors;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::nullable::nullable;
use crate::openapi::words;

/// Defaults that clients prefill in the search form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct SearchPreferences {
    /// Number of results, 1 to 250.
    top_k: i64,
    /// Which vectors to search.
    #[schema(value_type = words::SearchMode)]
    mode: SearchMode,
    /// Whether to rerank results with a cross-encoder.
    use_reranker: bool,
    /// Constant k of reciprocal rank fusion, 1 to 100; higher values flatten the influence of the rank.
    rrf_k: i64,
    /// Minimum score of a result, 0 to 1; `null` for no minimum.
    similarity_threshold: Option<f64>,
    /// Whether to expand queries with HyDE (hypothetical document embeddings).
    use_hyde: bool,
    /// Quality tier of the language model for HyDE.
    #[schema(value_type = words::QualityTier)]
    hyde_quality_tier: QualityTier,
    /// Timeout of the language model for HyDE in seconds, 3 to 180.
    hyde_timeout_seconds: i64,
}

impl Default for SearchPreferences {
    fn default() -> Self {
        Self {
            top_k: 10,
            mode: SearchMode::Dense,
            use_reranker: false,
            rrf_k: 60,
            similarity_threshold: None,
            use_hyde: false,
            hyde_quality_tier: QualityTier::Low,
            hyde_timeout_seconds: 30,
        }
    }
}

/// Changes of the search preferences. Absent fields stay unchanged.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct SearchChanges {
    /// Number of results.
    #[schema(minimum = 1, maximum = 250, example = 20)]
    top_k: Option<i64>,
    /// Which vectors to search.
    #[schema(value_type = Option<words::SearchMode>)]
    mode: Option<SearchMode>,
    /// Whether to rerank results with a cross-encoder.
    use_reranker: Option<bool>,
    /// Constant k of reciprocal rank fusion.
    #[schema(minimum = 1, maximum = 100)]
    rrf_k: Option<i64>,
    /// Minimum score of a result; `null` for no minimum.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1)]
    similarity_threshold: Option<Option<f64>>,
    /// Whether to expand queries with HyDE (hypothetical document embeddings).
    use_hyde: Option<bool>,
    /// Quality tier of the language model for HyDE.
    #[schema(value_type = Option<words::QualityTier>)]
    hyde_quality_tier: Option<QualityTier>,
    /// Timeout of the language model for HyDE in seconds.
    #[schema(minimum = 3, maximum = 180)]
    hyde_timeout_seconds: Option<i64>,
}

impl SearchPreferences {
    /// Applies and validates the changes.
    pub(super) fn change(self, changes: SearchChanges, errors: &mut FieldErrors) -> Self {
        let changed = Self {
            top_k: changes.top_k.unwrap_or(self.top_k),
            mode: changes.mode.unwrap_or(self.mode),
            use_reranker: changes.use_reranker.unwrap_or(self.use_reranker),
            rrf_k: changes.rrf_k.unwrap_or(self.rrf_k),
            similarity_threshold: changes.similarity_threshold.unwrap_or(self.similarity_threshold),
            use_hyde: changes.use_hyde.unwrap_or(self.use_hyde),
            hyde_quality_tier: changes.hyde_quality_tier.unwrap_or(self.hyde_quality_tier),
            hyde_timeout_seconds: changes.hyde_timeout_seconds.unwrap_or(self.hyde_timeout_seconds),
        };
        errors.range("search.top_k", changed.top_k, 1..=250);
        errors.range("search.rrf_k", changed.rrf_k, 1..=100);
        if let Some(threshold) = changed.similarity_threshold {
            errors.range("search.similarity_threshold", threshold, 0.0..=1.0);
        }
        errors.range("search.hyde_timeout_seconds", changed.hyde_timeout_seconds, 3..=180);
        changed
    }
}
