//! A search with all defaults applied: those of the caller's preferences, then those of the installation.

use domain::SearchMode;
use serde::Deserialize;
use serde_json::Value;

use crate::search_query::{MAX_RESULTS, SearchQuery};

/// The default number of results.
const DEFAULT_LIMIT: u32 = 10;
/// The default constant k of reciprocal rank fusion, from Cormack, Clarke and Büttcher, SIGIR 2009.
const DEFAULT_RANK_CONSTANT: u32 = 60;
/// The number of chunks to retrieve for each document of grouped results.
const CHUNKS_PER_DOCUMENT: u32 = 8;
/// The number of hits to rerank for each result, and the bounds of their total.
const RERANKED_PER_RESULT: usize = 5;
const RERANKED: std::ops::RangeInclusive<usize> = 20..=200;
/// The maximum number of chunks to retrieve from one collection.
const MAX_DEPTH: u32 = 1254;

/// The caller's search preferences.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Preferences {
    top_k: Option<u32>,
    mode: Option<SearchMode>,
    rrf_k: Option<u32>,
    similarity_threshold: Option<f32>,
    use_reranker: Option<bool>,
}

/// The parameters of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Plan {
    pub(crate) mode: SearchMode,
    pub(crate) limit: usize,
    pub(crate) offset: usize,
    pub(crate) rank_constant: u32,
    pub(crate) min_similarity: Option<f32>,
    pub(crate) group_size: Option<usize>,
    /// The number of best hits to rerank, if reranking is requested.
    pub(crate) rerank: Option<usize>,
}

impl Plan {
    /// Applies the defaults. Preferences that cannot be parsed are ignored.
    pub(crate) fn new(search: &SearchQuery, preferences: Value) -> Self {
        let preferences: Preferences = serde_json::from_value(preferences).unwrap_or_default();
        let limit = search.limit.or(preferences.top_k).unwrap_or(DEFAULT_LIMIT).min(MAX_RESULTS);
        // A threshold of 0 means none: cosine similarity can be negative.
        let threshold = search.score_threshold.or(preferences.similarity_threshold);
        let reranks = search.use_reranker.or(preferences.use_reranker).unwrap_or(false);
        let window = (limit as usize * RERANKED_PER_RESULT).max(search.offset as usize + limit as usize);
        Self {
            mode: search.mode.or(preferences.mode).unwrap_or(SearchMode::Dense),
            limit: limit as usize,
            offset: search.offset as usize,
            rank_constant: search.rank_constant.or(preferences.rrf_k).unwrap_or(DEFAULT_RANK_CONSTANT),
            min_similarity: threshold.filter(|threshold| *threshold > 0.0),
            group_size: search.group_size.map(|size| size as usize),
            rerank: reranks.then(|| window.clamp(*RERANKED.start(), *RERANKED.end())),
        }
    }

    /// Returns the number of chunks to retrieve from each collection: a few more than requested, because hits
    /// of replaced generations are dropped afterwards.
    pub(crate) fn depth(&self) -> u64 {
        let depth = (self.offset + self.limit).max(self.rerank.unwrap_or(0));
        let depth = u32::try_from(depth).unwrap_or(MAX_DEPTH);
        let depth = match self.group_size {
            Some(_) => depth * CHUNKS_PER_DOCUMENT,
            None => depth + depth / 4 + 4,
        };
        u64::from(depth.min(MAX_DEPTH))
    }

    /// Returns whether the query's embedding is needed.
    pub(crate) fn needs_vector(&self) -> bool {
        self.mode != SearchMode::Sparse || self.min_similarity.is_some()
    }
}
