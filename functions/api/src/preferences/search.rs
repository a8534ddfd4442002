//! How a user searches.

use domain::{QualityTier, SearchMode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::openapi::words;
use crate::validation::{Checks, given};

/// How this user searches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct SearchPreferences {
    /// How many results to show.
    top_k: i64,
    /// What a search compares.
    #[schema(schema_with = words::search_mode)]
    mode: SearchMode,
    use_reranker: bool,
    /// How little the rank counts when results are fused.
    rrf_k: i64,
    /// Results below it are left out; null for none.
    similarity_threshold: Option<f64>,
    /// Whether to search for what a language model answers instead of the query.
    use_hyde: bool,
    #[schema(schema_with = words::quality_tier)]
    hyde_quality_tier: QualityTier,
    /// How long to wait for that answer.
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

/// What to change of it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchChanges {
    #[schema(minimum = 1, maximum = 250, example = 20)]
    top_k: Option<i64>,
    #[schema(schema_with = words::optional_search_mode)]
    mode: Option<SearchMode>,
    use_reranker: Option<bool>,
    #[schema(minimum = 1, maximum = 100)]
    rrf_k: Option<i64>,
    /// `null` for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1)]
    similarity_threshold: Option<Option<f64>>,
    use_hyde: Option<bool>,
    #[schema(schema_with = words::optional_quality_tier)]
    hyde_quality_tier: Option<QualityTier>,
    #[schema(minimum = 3, maximum = 180)]
    hyde_timeout_seconds: Option<i64>,
}

impl SearchPreferences {
    pub(super) fn change(self, changes: SearchChanges, checks: &mut Checks) -> Self {
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
        checks.range("search.top_k", changed.top_k, 1..=250);
        checks.range("search.rrf_k", changed.rrf_k, 1..=100);
        if let Some(threshold) = changed.similarity_threshold {
            checks.fraction("search.similarity_threshold", threshold);
        }
        checks.range("search.hyde_timeout_seconds", changed.hyde_timeout_seconds, 3..=180);
        changed
    }
}
