//! The weighted terms of a text, a sparse vector.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::tokenizer::for_each_term;

/// The k1 of BM25: how soon further occurrences of a term stop to matter. The value of Lucene and Qdrant.
const K1: f32 = 1.2;
/// The b of BM25: how much long texts are penalized, from 0 to 1. The value of Lucene and Qdrant.
const B: f32 = 0.75;
/// The average length of a text in terms. Qdrant's value.
const AVERAGE_LENGTH: f32 = 256.0;

/// A sparse vector: the ids of terms, in ascending order, and their weights.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TermWeights {
    /// The ids of the terms.
    pub ids: Vec<u32>,
    /// The weight of each term, greater than 0.
    pub weights: Vec<f32>,
}

impl TermWeights {
    /// Returns whether there are no terms.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// Returns the terms of a chunk with their BM25 weights, without the IDF.
pub fn chunk_terms(text: &str) -> TermWeights {
    let counts = count(text);
    #[expect(clippy::cast_precision_loss, reason = "a chunk has far fewer terms than 2^24")]
    let length = counts.values().sum::<u32>() as f32;
    let norm = K1 * (1.0 - B + B * length / AVERAGE_LENGTH);
    #[expect(clippy::cast_precision_loss, reason = "a chunk has far fewer terms than 2^24")]
    let weigh = |count: u32| count as f32 * (K1 + 1.0) / (count as f32 + norm);
    counts.into_iter().map(|(id, count)| (id, weigh(count))).collect()
}

/// Returns the terms of a query. The weight of each is 1, however often it occurs.
pub fn query_terms(text: &str) -> TermWeights {
    count(text).into_keys().map(|id| (id, 1.0)).collect()
}

impl FromIterator<(u32, f32)> for TermWeights {
    fn from_iter<I: IntoIterator<Item = (u32, f32)>>(terms: I) -> Self {
        let (ids, weights) = terms.into_iter().unzip();
        Self { ids, weights }
    }
}

/// Returns the byte ranges of the words in `text` that are terms of `query`.
pub fn find_terms(text: &str, query: &TermWeights) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for_each_term(text, |term, range| {
        if query.ids.binary_search(&id(term)).is_ok() {
            ranges.push(range);
        }
    });
    ranges
}

fn id(term: &str) -> u32 {
    crc32fast::hash(term.as_bytes())
}

/// Counts the occurrences of each term. Terms whose ids collide, one pair in four billion, are counted together.
fn count(text: &str) -> BTreeMap<u32, u32> {
    let mut counts = BTreeMap::new();
    for_each_term(text, |term, _| *counts.entry(id(term)).or_insert(0) += 1);
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_and_weights_never_change_between_releases() {
        insta::assert_debug_snapshot!(chunk_terms("A wing in a slipstream: wings, lift."), @r"
        TermWeights {
            ids: [
                642011225,
                1937579532,
                3087140164,
            ],
            weights: [
                1.6741974,
                1.6741974,
                1.901418,
            ],
        }
        ");
    }

    #[test]
    fn weights_grow_with_frequency_and_shrink_with_length() {
        let weight = |text: &str| chunk_terms(text).weights[0];
        assert!(weight("wing wing") > weight("wing"));
        assert!(weight("wing wing") < 2.0 * weight("wing"));
        assert!(weight(&"wing ".repeat(10_000)) < K1 + 1.0);
        let id = query_terms("wing").ids[0];
        let long = chunk_terms(&format!("wing {}", "lift drag ".repeat(300)));
        let position = long.ids.iter().position(|other| *other == id).unwrap();
        assert!(long.weights[position] < weight("wing"));
    }

    #[test]
    fn repeated_query_terms_count_once() {
        let query = query_terms("wings of a wing, and lift");
        assert_eq!(query.weights, [1.0, 1.0]);
        assert!(query_terms("what is this?").is_empty());
    }

    #[test]
    fn inflected_forms_of_query_terms_are_found() {
        let text = "Wings: the wing_span of a “winged” thing";
        let found = find_terms(text, &query_terms("which wing"));
        let found: Vec<&str> = found.into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, ["Wings", "wing", "winged"]);
    }

    proptest! {
        #[test]
        fn every_text_gives_a_valid_sparse_vector(text in ".{0,200}") {
            for terms in [chunk_terms(&text), query_terms(&text)] {
                prop_assert_eq!(terms.ids.len(), terms.weights.len());
                prop_assert!(terms.ids.is_sorted_by(|left, right| left < right));
                prop_assert!(terms.weights.iter().all(|weight| weight.is_finite() && *weight > 0.0));
            }
            prop_assert_eq!(chunk_terms(&text).ids, query_terms(&text).ids);
        }
    }
}
