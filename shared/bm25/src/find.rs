//! The places of a query's terms in a text.

use std::ops::Range;

use crate::compounds::{MIN_IN_CHUNK, for_each_part, term_of_part};
use crate::languages::Languages;
use crate::terms::for_each_term;
use crate::tokens::{Kind, tokens};
use crate::weights::TermWeights;

/// Terms of a query with less weight would mark too much: characters of words that are found by their bigrams.
const MIN_WEIGHT: f32 = 0.12;

/// Returns the byte ranges of the words in `text` that are found by `query`, in order and apart from each other. The
/// language of the text does not matter.
pub fn find_terms(text: &str, query: &TermWeights) -> Vec<Range<usize>> {
    let is_term = |term: &str| query.weight_of(term) >= MIN_WEIGHT;
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for token in tokens(text) {
        let mut is_found = false;
        for_each_term(&token, Languages::ALL, |term, _| is_found |= is_term(term));
        if token.kind == Kind::Word && !is_found {
            for_each_part(&token.text, MIN_IN_CHUNK, |part| {
                is_found |= term_of_part(part).is_some_and(|term| query.weight_of(&term) > 0.0);
            });
        }
        if is_found {
            ranges.push(token.range);
        }
    }
    ranges.sort_by_key(|range| range.start);
    let mut apart: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match apart.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}
