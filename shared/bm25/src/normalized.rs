//! A text in the form in which its words are compared, and where each of them came from.

use std::borrow::Cow;
use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// A text in NFKC, without the characters that are no part of a word (soft hyphens, vowel marks of Arabic and
/// Hebrew), and with one form of apostrophe and hyphen. Letters keep their case, by which names are split.
#[derive(Debug)]
pub(crate) struct NormalizedText<'a> {
    text: Cow<'a, str>,
    /// The places where the graphemes of the original start, in `text` and in the original. Empty if the text is
    /// unchanged.
    starts: Vec<(usize, usize)>,
    original_length: usize,
}

impl<'a> NormalizedText<'a> {
    pub(crate) fn new(original: &'a str) -> Self {
        let original_length = original.len();
        if original.is_ascii() {
            return Self { text: Cow::Borrowed(original), starts: Vec::new(), original_length };
        }
        let mut text = String::with_capacity(original_length);
        let mut starts = Vec::with_capacity(original_length);
        // Normalization never crosses the boundary of a grapheme.
        for (start, grapheme) in original.grapheme_indices(true) {
            starts.push((text.len(), start));
            push_normalized(grapheme, &mut text);
        }
        Self { text: Cow::Owned(text), starts, original_length }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the bytes of the original that a part of the normalized text comes from: whole graphemes.
    pub(crate) fn original_range(&self, part: &Range<usize>) -> Range<usize> {
        if self.starts.is_empty() {
            return part.clone();
        }
        let first = self.starts.partition_point(|(at, _)| *at <= part.start).saturating_sub(1);
        let end = self.starts.partition_point(|(at, _)| *at < part.end);
        self.starts[first].1..self.starts.get(end).map_or(self.original_length, |(_, original)| *original)
    }
}

fn push_normalized(grapheme: &str, text: &mut String) {
    if grapheme.is_ascii() {
        text.push_str(grapheme);
        return;
    }
    // 10² is not 102.
    let is_small_number = grapheme.chars().next().is_some_and(is_small_number);
    if is_small_number && text.ends_with(|last: char| last.is_ascii_digit()) {
        text.push(' ');
    }
    text.extend(grapheme.nfkc().filter_map(|character| match character {
        _ if is_ignored(character) => None,
        '\u{200b}' => Some(' '),
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2bc}' | '\u{2b9}' => Some('\''),
        '\u{2010}' | '\u{2011}' => Some('-'),
        // The digits of Arabic and Persian.
        '\u{660}'..='\u{669}' => char::from_digit(u32::from(character) - 0x660, 10),
        '\u{6f0}'..='\u{6f9}' => char::from_digit(u32::from(character) - 0x6f0, 10),
        _ => Some(character),
    }));
}

/// Returns whether a character is a number but no decimal digit: superscript, subscript, fraction, circled.
fn is_small_number(character: char) -> bool {
    matches!(character, '²' | '³' | '¹' | '¼'..='¾' | '\u{2070}'..='\u{2089}' | '\u{2150}'..='\u{215f}' | '\u{2189}' | '\u{2460}'..='\u{249b}')
}

/// Returns whether a character may be in the middle of a word without being a part of it: invisible characters,
/// and the marks for short vowels that writers of Arabic and Hebrew use or leave out.
fn is_ignored(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{640}' | '\u{64b}'..='\u{652}' | '\u{670}' | '\u{6d6}'..='\u{6ed}'
            | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_looking_characters_are_equal() {
        let normalized = |text| NormalizedText::new(text).as_str().to_owned();
        assert_eq!(normalized("a\u{308} \u{fb01}n ＡＢ ｶﾞ x\u{ad}y it\u{2019}s"), "ä fin AB ガ xy it's");
        assert_eq!(normalized("كِتَاب a\u{200b}b 10\u{b2} ٢٠"), "كتاب a b 10 2 20");
    }

    #[test]
    fn parts_are_found_in_the_original() {
        let original = "the of\u{fb01}ce, ge\u{ad}stern";
        let normalized = NormalizedText::new(original);
        let find = |word: &str| {
            let start = normalized.as_str().find(word).unwrap();
            &original[normalized.original_range(&(start..start + word.len()))]
        };
        assert_eq!((find("office"), find("gestern"), find("the")), ("of\u{fb01}ce", "ge\u{ad}stern", "the"));
    }

    proptest! {
        #[test]
        fn canonically_equal_texts_are_equal(text in "\\PC{0,60}") {
            let decomposed: String = text.nfd().collect();
            let (one, other) = (NormalizedText::new(&text), NormalizedText::new(&decomposed));
            prop_assert_eq!(one.as_str(), other.as_str());
        }
    }
}
