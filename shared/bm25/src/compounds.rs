//! The parts of compounds, without a dictionary.
//!
//! A long word may be a compound, and every beginning and end of it may be one of its parts. Those of a chunk's word
//! are terms of their own kind, which only whole words of a query look for: Hochwasser finds Hochwasserschutz, and
//! chunks are not confused by parts that are none. Those of a query's word look for whole words.

use std::borrow::Cow;

use crate::forms::without_accents;

/// The fewest characters of a compound in a chunk: shorter ones have few parts worth their place in the index.
pub(crate) const MIN_IN_CHUNK: usize = 12;
/// The fewest characters of a compound in a query.
pub(crate) const MIN_IN_QUERY: usize = 10;
/// The fewest characters of a part.
const MIN_PART: usize = 5;
/// The fewest characters beside a part.
const MIN_REST: usize = 3;
/// Longer words are none of a language.
const MAX_COMPOUND: usize = 50;

/// Calls `found` with every beginning and end that may be a part of a word in lower case with at least `min`
/// characters, without accents.
pub(crate) fn for_each_part(word: &str, min: usize, mut found: impl FnMut(&str)) {
    // A cheap test for most words: no character has less than one byte.
    if word.len() < min || !word.chars().all(char::is_alphabetic) {
        return;
    }
    let word = without_accents(word).map_or(Cow::Borrowed(word), Cow::Owned);
    let starts: Vec<usize> = word.char_indices().map(|(start, _)| start).collect();
    if !(min..=MAX_COMPOUND).contains(&starts.len()) {
        return;
    }
    for length in MIN_PART..=starts.len() - MIN_REST {
        found(&word[..starts[length]]);
        found(&word[starts[starts.len() - length]..]);
    }
}

/// Returns the term by which a part of a compound in a chunk is found.
pub(crate) fn term_of_part(part: &str) -> Option<String> {
    // No word has this character.
    (part.chars().nth(MIN_PART - 1).is_some()).then(|| format!("~{part}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_and_ends_of_long_words_are_parts() {
        let parts = |word| {
            let mut found = Vec::new();
            for_each_part(word, MIN_IN_CHUNK, |part| found.push(part.to_owned()));
            found
        };
        let found = parts("leuchtturmwärter");
        assert_eq!(found.len(), 18);
        assert!(found.iter().any(|part| part == "leuchtturm") && found.iter().any(|part| part == "warter"));
        assert!(parts("leuchtturm").is_empty() && parts("a12345678901").is_empty());
        assert!(parts(&"leuchtturm".repeat(6)).is_empty());
        assert_eq!((term_of_part("turm"), term_of_part("leucht").as_deref()), (None, Some("~leucht")));
    }
}
