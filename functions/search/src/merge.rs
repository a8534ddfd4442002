//! Several ranked lists become one.

use std::collections::HashMap;

/// The constant of reciprocal rank fusion, from Cormack, Clarke and Büttcher, SIGIR 2009.
const RANK_CONSTANT: f32 = 60.0;

/// One hit of one list.
pub(crate) trait Ranked {
    /// The hit's similarity to the query.
    fn score(&self) -> f32;
    /// The model that computed the score: scores of different models do not compare.
    fn model(&self) -> &str;
}

/// Merges lists, each best first, into the best `limit` hits. Where all scores come from one model
/// they are compared; else the hits are ordered by their ranks within their lists.
pub(crate) fn merge<H: Ranked>(lists: Vec<Vec<H>>, limit: usize) -> Vec<H> {
    let models: HashMap<&str, ()> = lists.iter().flatten().map(|hit| (hit.model(), ())).collect();
    let compares_scores = models.len() <= 1;
    let mut keyed: Vec<(f32, H)> = Vec::new();
    for list in lists {
        for (position, hit) in list.into_iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "ranks are at most a few hundred")]
            let by_rank = 1.0 / (RANK_CONSTANT + position as f32 + 1.0);
            keyed.push((if compares_scores { hit.score() } else { by_rank }, hit));
        }
    }
    // Stable: equal hits stay in the order of the lists.
    keyed.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    keyed.truncate(limit);
    keyed.into_iter().map(|(_, hit)| hit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Hit(f32, &'static str);

    impl Ranked for Hit {
        fn score(&self) -> f32 {
            self.0
        }
        fn model(&self) -> &str {
            self.1
        }
    }

    #[test]
    fn lists_of_one_model_merge_by_score() {
        let merged = merge(vec![vec![Hit(0.9, "a"), Hit(0.2, "a")], vec![Hit(0.5, "a")]], 2);
        assert_eq!(merged, [Hit(0.9, "a"), Hit(0.5, "a")]);
    }

    #[test]
    fn lists_of_different_models_merge_by_rank() {
        let merged = merge(vec![vec![Hit(0.4, "a"), Hit(0.3, "a")], vec![Hit(0.9, "b"), Hit(0.8, "b")]], 3);
        assert_eq!(merged, [Hit(0.4, "a"), Hit(0.9, "b"), Hit(0.3, "a")]);
    }
}
