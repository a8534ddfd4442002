//! Splitting a text into terms.

use std::ops::Range;

use qdrant_rust_stemmers::{Algorithm, Stemmer};
use unicode_segmentation::UnicodeSegmentation;

use crate::stop_words::is_stop_word;

/// Calls `found` with each term of `text`, in order, and the byte range it comes from. A term is a word by
/// Unicode segmentation, in lower case, that is not an English stop word, reduced to its English stem. Words
/// of other languages lose an ending now and then, in chunks and queries alike.
pub(crate) fn for_each_term(text: &str, mut found: impl FnMut(&str, Range<usize>)) {
    let stemmer = Stemmer::create(Algorithm::English);
    for (start, word) in text.unicode_word_indices() {
        for part in parts(word) {
            let lower = word[part.clone()].to_lowercase().replace('\u{2019}', "'");
            if !is_stop_word(&lower) {
                found(&stemmer.stem(&lower), start + part.start..start + part.end);
            }
        }
    }
}

/// Returns the ranges of a word's parts. To Unicode, `a_name`, `file.rs` and `key:value` are one word each,
/// but a search for `name` should find them. Decimal points do not separate.
fn parts(word: &str) -> impl Iterator<Item = Range<usize>> {
    let is_separator = |(at, character): (usize, char)| match character {
        '_' | ':' => true,
        '.' => !is_digit(word[..at].chars().next_back()) || !is_digit(word[at + 1..].chars().next()),
        _ => false,
    };
    let separators = word.char_indices().filter(move |place| is_separator(*place)).map(|(at, _)| at);
    let mut start = 0;
    separators.chain([word.len()]).filter_map(move |end| {
        let part = start..end;
        start = end + 1;
        (!part.is_empty()).then_some(part)
    })
}

fn is_digit(character: Option<char>) -> bool {
    character.is_some_and(|character| character.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    fn terms(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        super::for_each_term(text, |term, _| found.push(term.to_owned()));
        found
    }

    #[test]
    fn inflected_forms_are_one_term() {
        assert_eq!(terms("Flows flowing FLOWED flow"), ["flow"; 4]);
        assert_eq!(terms("the author\u{2019}s author's authors"), ["author"; 3]);
    }

    #[test]
    fn stop_words_are_not_terms() {
        assert_eq!(terms("What is the meaning of this? I don't know, don\u{2019}t you?"), ["mean", "know"]);
    }

    #[test]
    fn identifiers_are_split_into_their_parts() {
        assert_eq!(
            terms("vector_store::name in src/file.rs, __init__"),
            ["vector", "store", "name", "src", "file", "rs", "init"]
        );
        assert_eq!(terms("3.14 and 1.2.3"), ["3.14", "1.2.3"]);
    }

    #[test]
    fn every_script_has_terms() {
        assert_eq!(terms("Größe стена 東京"), ["größe", "стена", "東", "京"]);
        assert!(terms(" … — \u{200b} ").is_empty());
    }
}
