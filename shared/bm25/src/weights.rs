//! Terms as a sparse vector.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::words::terms;

/// How soon another occurrence of a term stops to matter. Lucene's and Qdrant's value.
const SATURATION: f32 = 1.2;
/// How much a term of a longer passage counts less, 0 to 1. Lucene's and Qdrant's value.
const LENGTH_PENALTY: f32 = 0.75;
/// The length at which a passage's terms count as they are, in terms. Qdrant's value.
const AVERAGE_LENGTH: f32 = 256.0;

/// A sparse vector: the ids of terms, ascending, and the weight of each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TermWeights {
    /// Which terms.
    pub ids: Vec<u32>,
    /// As many weights, all above 0.
    pub weights: Vec<f32>,
}

impl TermWeights {
    /// Whether there is no term to search for.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// The terms of a passage that is stored.
pub fn passage_terms(text: &str) -> TermWeights {
    let counts = count(text);
    #[expect(clippy::cast_precision_loss, reason = "a passage has far fewer terms than 2^24")]
    let length = counts.values().sum::<u32>() as f32;
    let norm = SATURATION * (1.0 - LENGTH_PENALTY + LENGTH_PENALTY * length / AVERAGE_LENGTH);
    #[expect(clippy::cast_precision_loss, reason = "a passage has far fewer terms than 2^24")]
    let weigh = |count: u32| count as f32 * (SATURATION + 1.0) / (count as f32 + norm);
    counts.into_iter().map(|(id, count)| (id, weigh(count))).collect()
}

/// The terms of a query; each counts once, however often it is said.
pub fn query_terms(text: &str) -> TermWeights {
    count(text).into_keys().map(|id| (id, 1.0)).collect()
}

impl FromIterator<(u32, f32)> for TermWeights {
    fn from_iter<I: IntoIterator<Item = (u32, f32)>>(terms: I) -> Self {
        let (ids, weights) = terms.into_iter().unzip();
        Self { ids, weights }
    }
}

/// The places in `text`, in bytes, of the words that are terms of `query`.
pub fn find_terms(text: &str, query: &TermWeights) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    terms(text, |term, place| {
        if query.ids.binary_search(&id(term)).is_ok() {
            places.push(place);
        }
    });
    places
}

fn id(term: &str) -> u32 {
    crc32fast::hash(term.as_bytes())
}

/// How often each term occurs. Two terms may share an id, one pair in four billion; they count as one.
fn count(text: &str) -> BTreeMap<u32, u32> {
    let mut counts = BTreeMap::new();
    terms(text, |term, _| *counts.entry(id(term)).or_insert(0) += 1);
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_and_weights_never_change_between_releases() {
        insta::assert_debug_snapshot!(passage_terms("A wing in a slipstream: wings, lift."), @r"
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
    fn a_term_counts_more_the_more_often_and_the_shorter_the_passage() {
        let weight = |text: &str| passage_terms(text).weights[0];
        assert!(weight("wing wing") > weight("wing"));
        assert!(weight("wing wing") < 2.0 * weight("wing"));
        assert!(weight(&"wing ".repeat(10_000)) < SATURATION + 1.0);
        let id = query_terms("wing").ids[0];
        let long = passage_terms(&format!("wing {}", "lift drag ".repeat(300)));
        let position = long.ids.iter().position(|other| *other == id).unwrap();
        assert!(long.weights[position] < weight("wing"));
    }

    #[test]
    fn a_query_asks_for_each_term_once() {
        let query = query_terms("wings of a wing, and lift");
        assert_eq!(query.weights, [1.0, 1.0]);
        assert!(query_terms("what is this?").is_empty());
    }

    #[test]
    fn words_of_the_query_are_found_in_whatever_form() {
        let text = "Wings: the wing_span of a “winged” thing";
        let found = find_terms(text, &query_terms("which wing"));
        let found: Vec<&str> = found.into_iter().map(|place| &text[place]).collect();
        assert_eq!(found, ["Wings", "wing", "winged"]);
    }

    proptest! {
        #[test]
        fn every_text_gives_a_vector_that_can_be_stored(text in ".{0,200}") {
            for terms in [passage_terms(&text), query_terms(&text)] {
                prop_assert_eq!(terms.ids.len(), terms.weights.len());
                prop_assert!(terms.ids.is_sorted_by(|left, right| left < right));
                prop_assert!(terms.weights.iter().all(|weight| weight.is_finite() && *weight > 0.0));
            }
            prop_assert_eq!(passage_terms(&text).ids, query_terms(&text).ids);
        }
    }
}
