//! The weighted terms of a text, a sparse vector.

use std::collections::BTreeMap;

use murmur3_32::Murmur3;

use crate::compounds::{MIN_IN_CHUNK, MIN_IN_QUERY, for_each_part, term_of_part};
use crate::languages::{Languages, Votes};
use crate::terms::{Form, for_each_term};
use crate::tokens::{Kind, Token, tokens};

/// The k1 of BM25: how soon further occurrences of a term stop to matter. The value of Lucene and Qdrant.
const K1: f32 = 1.2;
/// The b of BM25: how much long texts are penalized, from 0 to 1. The value of Lucene and Qdrant.
const B: f32 = 0.75;
/// The average length of a text in words. Qdrant's value.
const AVERAGE_LENGTH: f32 = 256.0;

/// How much of an occurrence a term is, in a chunk and in a query. The exact word of a chunk counts in full and its
/// other forms less, so exact matches rank higher. In a query the stem counts most, because it finds all forms.
/// Values measured on Cranfield and on the installation manual of Debian in 19 languages.
struct Share {
    chunk: f32,
    query: f32,
}

/// The exact word, where it differs from its stem.
const INFLECTED: Share = Share { chunk: 1.0, query: 0.15 };
const PLAIN: Share = Share { chunk: 0.7, query: 0.3 };
const STEM: Share = Share { chunk: 0.7, query: 1.0 };
/// The stem in a language that the query may be in, but not probably.
const IMPROBABLE_STEM: f32 = 0.25;
/// A part or another form of a name.
const PART: Share = Share { chunk: 0.7, query: 0.3 };
/// A character that is also in a bigram.
const CHARACTER: Share = Share { chunk: 0.5, query: 0.1 };
/// A word within a compound of a chunk.
const WITHIN_COMPOUND: Share = Share { chunk: 0.5, query: 0.1 };
/// A part of a compound in the query.
const COMPOUND_PART: f32 = 0.2;

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

    /// Returns the weight of a term; 0 if it is not among these.
    pub(crate) fn weight_of(&self, term: &str) -> f32 {
        self.ids.binary_search(&id(term)).map_or(0.0, |position| self.weights[position])
    }
}

impl FromIterator<(u32, f32)> for TermWeights {
    fn from_iter<I: IntoIterator<Item = (u32, f32)>>(terms: I) -> Self {
        let (ids, weights) = terms.into_iter().unzip();
        Self { ids, weights }
    }
}

/// Returns the terms of a chunk with their BM25 weights, without the IDF. Stop words are terms in their exact form
/// only, for queries that have no other words, and add nothing to the length.
pub fn chunk_terms(text: &str) -> TermWeights {
    let tokens = tokens(text);
    let (votes, stop_words) = vote(&tokens);
    let languages = votes.probable();
    let mut counts: BTreeMap<u32, f32> = BTreeMap::new();
    let mut length = 0.0;
    for (token, is_stop_word_in) in tokens.iter().zip(stop_words) {
        if is_stop_word_in.overlap(languages) {
            *counts.entry(id(&token.text)).or_default() += 1.0;
            continue;
        }
        let share = share(token.kind).chunk;
        length += if matches!(token.kind, Kind::Part | Kind::Character) { 0.0 } else { 1.0 };
        for_each_term(token, languages, |term, form| {
            *counts.entry(id(term)).or_default() += share
                * match form {
                    Form::Exact => INFLECTED.chunk,
                    Form::Plain => PLAIN.chunk,
                    Form::Stem => STEM.chunk,
                };
        });
        if token.kind == Kind::Word && languages.overlap(Languages::WITH_COMPOUNDS) {
            for_each_part(&token.text, MIN_IN_CHUNK, |part| {
                if let Some(term) = term_of_part(part) {
                    *counts.entry(id(&term)).or_default() += WITHIN_COMPOUND.chunk;
                }
            });
        }
    }
    let norm = K1 * (1.0 - B + B * length / AVERAGE_LENGTH);
    counts.into_iter().map(|(id, count)| (id, count * (K1 + 1.0) / (count + norm))).collect()
}

/// Returns the terms of a query, however often each occurs, with the weight of its form. A query has few words to
/// tell its language: unless they do, it has the stems of all languages of its alphabet. Stop words are left out,
/// except from a query that has no other words.
pub fn query_terms(text: &str) -> TermWeights {
    let tokens = tokens(text);
    let (votes, stop_words) = vote(&tokens);
    let (probable, possible) = (votes.probable(), votes.possible());
    let is_stop_word = |is_stop_word_in: &Languages| is_stop_word_in.overlap(votes.certain_or_default());
    let has_other_words = !stop_words.iter().all(is_stop_word);
    let mut weights: BTreeMap<u32, f32> = BTreeMap::new();
    let mut add = |term: &str, weight: f32| {
        let known = weights.entry(id(term)).or_default();
        *known = known.max(weight);
    };
    for (token, is_stop_word_in) in tokens.iter().zip(&stop_words) {
        if is_stop_word(is_stop_word_in) {
            if !has_other_words {
                add(&token.text, 1.0);
            }
            continue;
        }
        let share = share(token.kind).query;
        let exact = if probable.keep(&token.text) { STEM.query } else { INFLECTED.query };
        let is_word = token.kind == Kind::Word;
        for_each_term(token, probable, |term, form| {
            add(
                term,
                share
                    * match form {
                        Form::Exact => exact,
                        Form::Plain => PLAIN.query,
                        Form::Stem => STEM.query,
                    },
            );
            if let Some(term) = term_of_part(term).filter(|_| is_word) {
                add(&term, WITHIN_COMPOUND.query);
            }
        });
        for_each_term(token, possible, |term, form| {
            if form == Form::Stem {
                add(term, share * IMPROBABLE_STEM);
            }
        });
        if is_word && possible.overlap(Languages::WITH_COMPOUNDS) {
            for_each_part(&token.text, MIN_IN_QUERY, |part| add(part, COMPOUND_PART));
        }
    }
    weights.into_iter().collect()
}

fn share(kind: Kind) -> Share {
    match kind {
        Kind::Word | Kind::Name | Kind::Bigram => Share { chunk: 1.0, query: 1.0 },
        Kind::Part => PART,
        Kind::Character => CHARACTER,
    }
}

/// Returns what the words of a text tell about its language, and the languages in which each is a stop word.
fn vote(tokens: &[Token]) -> (Votes, Vec<Languages>) {
    let mut votes = Votes::default();
    let stop_words = tokens.iter().map(|token| {
        let is_stop_word_in = match token.kind {
            Kind::Word => Languages::with_stop_word(&token.text),
            _ => Languages::default(),
        };
        votes.add(is_stop_word_in);
        is_stop_word_in
    });
    let stop_words = stop_words.collect();
    (votes, stop_words)
}

/// Returns the id of a term, as Qdrant's BM25 does: the absolute value of its 32-bit Murmur3 hash with seed 0. Terms
/// whose ids collide, one pair in two billion, are counted together.
fn id(term: &str) -> u32 {
    Murmur3::hash(0, term).cast_signed().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_those_of_qdrant() {
        // The value is that of the Python package mmh3, which fastembed uses.
        assert_eq!((id(""), id("hello"), id("wing")), (0, 613_153_351, murmur3(b"wing")));
        assert_eq!(id("東京"), murmur3("東京".as_bytes()));
    }

    /// The reference implementation, for whole words of four bytes and a tail.
    fn murmur3(bytes: &[u8]) -> u32 {
        let mix = |word: u32| word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
        let mut words = bytes.chunks_exact(4);
        let mut hash = words.by_ref().fold(0_u32, |hash, word| {
            let word = u32::from_le_bytes(word.try_into().unwrap());
            (hash ^ mix(word)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
        });
        let tail = words.remainder().iter().rev().fold(0, |tail, byte| tail << 8 | u32::from(*byte));
        hash ^= mix(tail) ^ u32::try_from(bytes.len()).unwrap();
        for (shift, factor) in [(16, 0x85eb_ca6b_u32), (13, 0xc2b2_ae35)] {
            hash = (hash ^ hash >> shift).wrapping_mul(factor);
        }
        (hash ^ hash >> 16).cast_signed().unsigned_abs()
    }

    #[test]
    fn ids_and_weights_never_change_under_the_same_name_of_the_vector() {
        insta::assert_debug_snapshot!(chunk_terms("A wing in a slipstream: wings, lift."), @r"
        TermWeights {
            ids: [
                131900689,
                132519388,
                335390293,
                918691168,
                1009084850,
                1162180250,
                1346459229,
            ],
            weights: [
                1.6741974,
                1.8569434,
                1.6741974,
                1.6741974,
                1.901418,
                1.518644,
                1.6741974,
            ],
        }
        ");
    }

    #[test]
    fn weights_grow_with_frequency_and_shrink_with_length() {
        let weight = |text: &str| chunk_terms(text).weight_of("wing");
        assert!(weight("wing wing") > weight("wing"));
        assert!(weight("wing wing") < 2.0 * weight("wing"));
        assert!(weight(&"wing ".repeat(10_000)) < K1 + 1.0);
        assert!(weight(&format!("wing {}", "lift drag ".repeat(300))) < weight("wing"));
        assert_eq!(weight(&format!("wing {}", "in the ".repeat(300))), weight("wing"));
    }

    #[test]
    fn repeated_query_terms_count_once() {
        let query = query_terms("what is the lift of a wing, and the lift of wings?");
        assert_eq!((query.weight_of("lift"), query.weight_of("wing")), (1.0, 1.0));
        assert_eq!((query.weight_of("wings"), query.weight_of("the")), (INFLECTED.query, 0.0));
    }

    proptest! {
        #[test]
        fn every_text_gives_a_valid_sparse_vector(text in "\\PC{0,200}") {
            for terms in [chunk_terms(&text), query_terms(&text)] {
                prop_assert_eq!(terms.ids.len(), terms.weights.len());
                prop_assert!(terms.ids.is_sorted_by(|left, right| left < right));
                prop_assert!(terms.weights.iter().all(|weight| weight.is_finite() && *weight > 0.0));
            }
        }
    }
}
