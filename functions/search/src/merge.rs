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
    /// Its hits with their scores, in an order that does not depend on how many were retrieved.
    pub(crate) hits: Vec<(f32, H)>,
    /// The highest score that a hit beyond these may have; `None` if there are no more.
    pub(crate) rest: Option<f32>,
}

/// The hits of several collections, best first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Merged<H> {
    pub(crate) hits: Vec<(f32, H)>,
    pub(crate) score_type: ScoreType,
    /// Whether no more hits follow if more are retrieved.
    pub(crate) is_complete: bool,
}

/// Merges the lists of several collections. Cosine similarities of the same model are compared; all other
/// scores are not comparable across collections, so hits are ordered by their ranks within their lists.
///
/// Leaves out hits that others which were not retrieved may come before. So the result is the beginning of
/// the same ranking, however many hits were retrieved.
pub(crate) fn merge<H>(lists: Vec<RankedList<H>>, rank_constant: u32) -> Merged<H> {
    let first_model = lists.first().map(|list| list.model.clone()).unwrap_or_default();
    let are_cosines = lists.iter().all(|list| list.mode == SearchMode::Dense && list.model == first_model);
    let score_type = match lists.as_slice() {
        [list] => match list.mode {
            SearchMode::Dense => ScoreType::Cosine,
            SearchMode::Sparse => ScoreType::Bm25,
            SearchMode::Hybrid => ScoreType::Rrf,
        },
        _ if are_cosines => ScoreType::Cosine,
        _ => ScoreType::Rrf,
    };
    let compares_scores = are_cosines || lists.len() == 1;
    let mut bound: Option<f32> = None;
    let mut hits: Vec<(f32, H)> = Vec::new();
    for list in lists {
        if let Some(rest) = list.rest {
            let rest = match compares_scores {
                true => rest,
                false => {
                    by_rank(rank_constant, list.hits.iter().take_while(|(score, _)| *score > rest).count())
                }
            };
            bound = Some(bound.map_or(rest, |bound| bound.max(rest)));
        }
        for (position, (score, hit)) in list.hits.into_iter().enumerate() {
            hits.push((if compares_scores { score } else { by_rank(rank_constant, position) }, hit));
        }
    }
    // The sort is stable: hits of equal score keep the order of the lists.
    hits.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    if let Some(bound) = bound {
        hits.retain(|(score, _)| *score > bound);
    }
    Merged { hits, score_type, is_complete: bound.is_none() }
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
    use proptest::prelude::*;

    use super::*;

    fn list(mode: SearchMode, model: &str, hits: &[(f32, char)]) -> RankedList<char> {
        RankedList { mode, model: model.to_owned(), hits: hits.to_vec(), rest: None }
    }

    fn merged(lists: Vec<RankedList<char>>) -> (Vec<(f32, char)>, ScoreType) {
        let Merged { hits, score_type, is_complete } = merge(lists, 60);
        assert!(is_complete);
        (hits, score_type)
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
        let (merged, score_type) = merged(lists);
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
            let (merged, score_type) = merged(lists);
            assert_eq!((order(&merged).as_str(), score_type), ("acbde", ScoreType::Rrf), "{mode:?}");
            assert!((merged[0].0 - 1.0).abs() < f32::EPSILON && merged[4].0 < 1.0);
        }
    }

    #[test]
    fn a_single_list_is_returned_unchanged() {
        for (mode, score_type) in
            [(SearchMode::Sparse, ScoreType::Bm25), (SearchMode::Hybrid, ScoreType::Rrf)]
        {
            let merged = merged(vec![list(mode, "m", &[(12.5, 'a'), (3.0, 'b')])]);
            assert_eq!(merged, (vec![(12.5, 'a'), (3.0, 'b')], score_type));
        }
    }

    #[test]
    fn the_first_of_both_lists_scores_one() {
        assert!((scale_hybrid(60, 1.0 / 61.0 + 1.0 / 61.0) - 1.0).abs() < 1e-6);
    }

    /// Several collections, each with hits of a few scores, so that many are equal.
    fn lists() -> impl Strategy<Value = Vec<RankedList<(usize, usize)>>> {
        let mode = prop_oneof![Just(SearchMode::Dense), Just(SearchMode::Sparse), Just(SearchMode::Hybrid)];
        let list = prop::collection::vec(0_u8..8, 0..60);
        (mode, prop::collection::vec((list, any::<bool>()), 1..4)).prop_map(|(mode, lists)| {
            let numbered = lists.into_iter().enumerate();
            numbered
                .map(|(number, (mut scores, is_other_model))| {
                    scores.sort_unstable_by(|left, right| right.cmp(left));
                    let hits = scores.into_iter().enumerate();
                    RankedList {
                        mode,
                        model: if is_other_model { "n" } else { "m" }.to_owned(),
                        hits: hits.map(|(place, score)| (f32::from(score), (number, place))).collect(),
                        rest: None,
                    }
                })
                .collect()
        })
    }

    /// What Qdrant returns with a limit: of the last hits with equal scores, any.
    fn cut(list: &RankedList<(usize, usize)>, limit: usize) -> RankedList<(usize, usize)> {
        if list.hits.len() < limit {
            return list.clone();
        }
        let least = list.hits[limit - 1].0;
        let better = list.hits.iter().filter(|(score, _)| *score > least);
        let equal: Vec<_> = list.hits.iter().filter(|(score, _)| *score == least).collect();
        let mut hits: Vec<_> = better.chain(equal.into_iter().rev()).take(limit).copied().collect();
        hits.sort_by(|(left, one), (right, other)| right.total_cmp(left).then(one.cmp(other)));
        RankedList { hits, rest: Some(least), ..list.clone() }
    }

    proptest! {
        #[test]
        fn fewer_hits_are_the_beginning_of_the_same_ranking(lists in lists(), limit in 1_usize..70) {
            let all = merge(lists.clone(), 60);
            let few = merge(lists.iter().map(|list| cut(list, limit)).collect(), 60);
            prop_assert!(all.is_complete);
            prop_assert_eq!(few.score_type, all.score_type);
            prop_assert_eq!(&few.hits[..], &all.hits[..few.hits.len()]);
            if few.is_complete {
                prop_assert_eq!(few.hits.len(), all.hits.len());
            }
        }
    }
}
