//! A search with everything decided: what the request leaves open, the caller's preferences say.

use domain::SearchMode;
use serde::Deserialize;
use serde_json::Value;

use crate::request::{MAX_RESULTS, Search};

/// How many results there are by default.
const DEFAULT_LIMIT: u32 = 10;
/// The k of reciprocal rank fusion by default; from Cormack, Clarke and Büttcher, SIGIR 2009.
const DEFAULT_RANK_CONSTANT: u32 = 60;
/// Passages that are looked at for each document of a grouped answer.
const PASSAGES_PER_DOCUMENT: u32 = 8;
/// Hits that a reranker puts in order for each result, and how many at least and at most.
const RERANKED_PER_RESULT: usize = 5;
const RERANKED: std::ops::RangeInclusive<usize> = 20..=200;
/// The most passages that are looked at.
const MOST_PASSAGES: u32 = 1254;

/// What a user prefers where a request is silent; what is no preference is left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Preferences {
    top_k: Option<u32>,
    mode: Option<SearchMode>,
    rrf_k: Option<u32>,
    similarity_threshold: Option<f32>,
    use_reranker: Option<bool>,
}

/// How to search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Plan {
    pub(crate) mode: SearchMode,
    pub(crate) limit: usize,
    pub(crate) offset: usize,
    pub(crate) rank_constant: u32,
    pub(crate) min_similarity: Option<f32>,
    pub(crate) group_size: Option<usize>,
    /// How many of the best hits the reranker puts in order, where one was asked for.
    pub(crate) rerank: Option<usize>,
}

impl Plan {
    /// Fills in what `search` leaves open. Preferences that cannot be read are none.
    pub(crate) fn new(search: &Search, preferences: Value) -> Self {
        let preferences: Preferences = serde_json::from_value(preferences).unwrap_or_default();
        let limit = search.limit.or(preferences.top_k).unwrap_or(DEFAULT_LIMIT).min(MAX_RESULTS);
        // A threshold of 0 is the clients' way to say none; cosine similarity can be negative.
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

    /// How many passages each collection is asked for: a few more than are wanted, because hits of
    /// replaced generations are dropped afterwards.
    pub(crate) fn depth(&self) -> u64 {
        let wanted = (self.offset + self.limit).max(self.rerank.unwrap_or(0));
        let wanted = u32::try_from(wanted).unwrap_or(MOST_PASSAGES);
        let wanted = match self.group_size {
            Some(_) => wanted * PASSAGES_PER_DOCUMENT,
            None => wanted + wanted / 4 + 4,
        };
        u64::from(wanted.min(MOST_PASSAGES))
    }

    /// Whether the query's vector is needed.
    pub(crate) fn needs_vector(&self) -> bool {
        self.mode != SearchMode::Sparse || self.min_similarity.is_some()
    }
}
