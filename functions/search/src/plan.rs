//! A search with all defaults applied: those of the caller's preferences, then those of the installation.

use domain::SearchMode;
use serde::Deserialize;
use serde_json::Value;
use vectors::CANDIDATES;

use crate::search_query::{MAX_RESULTS, SearchQuery};

/// The default number of results.
const DEFAULT_LIMIT: u32 = 10;
/// The default constant k of reciprocal rank fusion, from Cormack, Clarke and Büttcher, SIGIR 2009.
const DEFAULT_RANK_CONSTANT: u32 = 60;
/// The number of chunks to retrieve for each document of grouped results.
const CHUNKS_PER_DOCUMENT: u64 = 8;
/// The factor by which more chunks are retrieved if there were too few.
const DEEPER: u64 = 4;
/// The number of hits to rerank for each result, and the bounds of their total.
const RERANKED_PER_RESULT: usize = 5;
const RERANKED: std::ops::RangeInclusive<usize> = 20..=200;

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
    /// Whether passages with the same text are shown once.
    pub(crate) collapses: bool,
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
        // It does not depend on the offset, so every page shows a part of the same ranking.
        let window = limit as usize * RERANKED_PER_RESULT;
        Self {
            mode: search.mode.or(preferences.mode).unwrap_or(SearchMode::Dense),
            limit: limit as usize,
            offset: search.offset as usize,
            rank_constant: search.rank_constant.or(preferences.rrf_k).unwrap_or(DEFAULT_RANK_CONSTANT),
            min_similarity: threshold.filter(|threshold| *threshold > 0.0),
            group_size: search.group_size.map(|size| size as usize),
            collapses: search.collapses,
            rerank: reranks.then(|| window.clamp(*RERANKED.start(), *RERANKED.end())),
        }
    }

    /// Returns the number of results to rank before the page can be taken: passages, or documents where results
    /// are grouped.
    pub(crate) fn needed(&self) -> usize {
        (self.offset + self.limit).max(self.rerank.unwrap_or(0))
    }

    /// Returns the number of chunks to retrieve from each collection at first: a few more than needed, because
    /// hits of replaced generations, duplicates and the last ones of equal score are left out afterwards.
    pub(crate) fn depth(&self) -> u64 {
        let needed = self.needed() as u64;
        let depth = match self.group_size {
            Some(_) => needed * CHUNKS_PER_DOCUMENT,
            None => needed + needed / 4 + 4,
        };
        depth.min(CANDIDATES)
    }

    /// Returns how many chunks to retrieve if `depth` were too few; at most as many as a search compares.
    pub(crate) fn deeper(depth: u64) -> u64 {
        (depth * DEEPER).min(CANDIDATES)
    }

    /// Returns whether the query's embedding is needed.
    pub(crate) fn needs_vector(&self) -> bool {
        self.mode != SearchMode::Sparse || self.min_similarity.is_some()
    }
}
