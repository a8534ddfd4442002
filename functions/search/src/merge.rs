//! Merging of ranked lists.

use domain::SearchMode;
use serde::Serialize;
use utoipa::ToSchema;

/// The kind of score of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoreType {
    /// Cosine similarity of query and chunk, -1 to 1.
    Cosine,
    /// BM25: the sum over the query's terms of inverse document frequency times term weight. At least 0,
    /// unbounded; comparable within one response only.
    Bm25,
    /// Reciprocal rank fusion, scaled so that a chunk that is first in every list has 1. It depends on ranks
    /// only, not on similarity.
    Rrf,
    /// The reranker's relevance, 0 to 1.
    Reranker,
}

/// The hits of one collection, best first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RankedList<H> {
    /// The mode in which the collection was searched.
    pub(crate) mode: SearchMode,
    /// Its embedding model.
    pub(crate) model: String,
    /// Its hits with their scores.
    pub(crate) hits: Vec<(f32, H)>,
}

/// Merges the lists of several collections, best first. Cosine similarities of the same model are compared;
/// all other scores are not comparable across collections, so hits are ordered by their ranks within their
/// lists.
pub(crate) fn merge<H>(mut lists: Vec<RankedList<H>>, rank_constant: u32) -> (Vec<(f32, H)>, ScoreType) {
    if lists.len() == 1
        && let Some(list) = lists.pop()
    {
        let score_type = match list.mode {
            SearchMode::Dense => ScoreType::Cosine,
            SearchMode::Sparse => ScoreType::Bm25,
            SearchMode::Hybrid => ScoreType::Rrf,
        };
        return (list.hits, score_type);
    }
    let first_model = lists.first().map(|list| list.model.clone()).unwrap_or_default();
    let compares_scores =
        lists.iter().all(|list| list.mode == SearchMode::Dense && list.model == first_model);
    let mut merged: Vec<(f32, H)> = Vec::new();
    for list in lists {
        for (position, (score, hit)) in list.hits.into_iter().enumerate() {
            merged.push((if compares_scores { score } else { by_rank(rank_constant, position) }, hit));
        }
    }
    // The sort is stable: hits of equal score keep the order of the lists.
    merged.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    (merged, if compares_scores { ScoreType::Cosine } else { ScoreType::Rrf })
}

/// Returns the score of the hit at `position`, from 0, of a list: 1 for the first.
fn by_rank(rank_constant: u32, position: usize) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "constants and ranks are at most some thousands")]
    let (constant, position) = (rank_constant as f32, position as f32);
    (constant + 1.0) / (constant + position + 1.0)
}

/// Scales Qdrant's hybrid score, a sum over two lists, as described for [`ScoreType::Rrf`].
pub(crate) fn scale_hybrid(rank_constant: u32, score: f32) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "the constant is at most 1000")]
    let best = 2.0 / (rank_constant as f32 + 1.0);
    score / best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(mode: SearchMode, model: &str, hits: &[(f32, char)]) -> RankedList<char> {
        RankedList { mode, model: model.to_owned(), hits: hits.to_vec() }
    }

    fn order(merged: &[(f32, char)]) -> String {
        merged.iter().map(|(_, hit)| hit).collect()
    }

    #[test]
    fn cosine_similarities_of_one_model_are_compared() {
        let lists = vec![
            list(SearchMode::Dense, "m", &[(0.9, 'a'), (0.2, 'b')]),
            list(SearchMode::Dense, "m", &[(0.5, 'c')]),
        ];
        let (merged, score_type) = merge(lists, 60);
        assert_eq!((merged, score_type), (vec![(0.9, 'a'), (0.5, 'c'), (0.2, 'b')], ScoreType::Cosine));
    }

    #[test]
    fn scores_that_are_not_comparable_are_fused_by_rank() {
        for (mode, model) in [(SearchMode::Dense, "n"), (SearchMode::Sparse, "m"), (SearchMode::Hybrid, "m")]
        {
            let lists = vec![
                list(mode, "m", &[(0.4, 'a'), (0.3, 'b')]),
                list(mode, model, &[(9.0, 'c'), (8.0, 'd'), (7.0, 'e')]),
            ];
            let (merged, score_type) = merge(lists, 60);
            assert_eq!((order(&merged).as_str(), score_type), ("acbde", ScoreType::Rrf), "{mode:?}");
            assert!((merged[0].0 - 1.0).abs() < f32::EPSILON && merged[4].0 < 1.0);
        }
    }

    #[test]
    fn a_single_list_is_returned_unchanged() {
        for (mode, score_type) in
            [(SearchMode::Sparse, ScoreType::Bm25), (SearchMode::Hybrid, ScoreType::Rrf)]
        {
            let merged = merge(vec![list(mode, "m", &[(12.5, 'a'), (3.0, 'b')])], 60);
            assert_eq!(merged, (vec![(12.5, 'a'), (3.0, 'b')], score_type));
        }
    }

    #[test]
    fn the_first_of_both_lists_scores_one() {
        assert!((scale_hybrid(60, 1.0 / 61.0 + 1.0 / 61.0) - 1.0).abs() < 1e-6);
    }
}
