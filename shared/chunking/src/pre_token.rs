//! Pre-tokens: the smallest units of text, which chunks are made of.

use tokenization::ZERO_WIDTH_SPACE;

/// A word, a punctuation mark or an ideograph: what the tokenizer's pre-tokenizer splits text into.
/// Where the tokenizer counts per word, a text has as many tokens as its pre-tokens together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PreToken {
    /// Byte offset in the document.
    pub(crate) start: u64,
    /// Byte offset in the document, exclusive.
    pub(crate) end: u64,
    pub(crate) kind: Kind,
    /// The white space before it.
    pub(crate) gap: Gap,
}

/// The kind of characters in a pre-token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Characters that form a word.
    Word,
    /// One punctuation mark.
    Punctuation,
    /// One ideograph.
    Ideograph,
}

/// The white space before a pre-token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Gap {
    pub(crate) bytes: u64,
    /// Line breaks in it; the start of the document counts as two.
    pub(crate) lines: u32,
    /// Bytes since the last line break, where there is one.
    pub(crate) indent_bytes: u32,
    /// The same in columns, with four for a tab.
    pub(crate) indent_columns: u32,
    /// The pre-token continues a word that was split, whatever the other numbers are.
    pub(crate) continues_word: bool,
}

/// How a character is classified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Space,
    Of(Kind),
}

/// Classifies a character. White space is what every tokenizer splits at, and the zero-width space, which separates
/// words in languages without spaces. Form feed, vertical tab and next line are none: BERT's normalizer drops them as
/// control characters and joins the text on both sides.
///
/// Punctuation outside ASCII is a selection: a mark that is missing stays with its word.
pub(crate) fn class_of(character: char) -> Class {
    match character {
        '\t' | '\n' | '\r' | ' ' => Class::Space,
        '\u{B}' | '\u{C}' | '\u{85}' => Class::Of(Kind::Word),
        ascii if ascii.is_ascii_punctuation() => Class::Of(Kind::Punctuation),
        ascii if ascii.is_ascii() => Class::Of(Kind::Word),
        space if space.is_whitespace() || space == ZERO_WIDTH_SPACE => Class::Space,
        '\u{A1}'
        | '\u{A7}'
        | '\u{AB}'
        | '\u{B6}'
        | '\u{B7}'
        | '\u{BB}'
        | '\u{BF}'
        | '\u{589}'
        | '\u{60C}'
        | '\u{61B}'
        | '\u{61F}'
        | '\u{6D4}'
        | '\u{964}'
        | '\u{965}'
        | '\u{2010}'..='\u{2027}'
        | '\u{2030}'..='\u{2043}'
        | '\u{2045}'..='\u{2051}'
        | '\u{2053}'..='\u{205E}'
        | '\u{3001}'..='\u{3003}'
        | '\u{3008}'..='\u{3011}'
        | '\u{3014}'..='\u{301B}'
        | '\u{FF01}'..='\u{FF03}'
        | '\u{FF05}'..='\u{FF0A}'
        | '\u{FF0C}'..='\u{FF0F}'
        | '\u{FF1A}'
        | '\u{FF1B}'
        | '\u{FF1F}'
        | '\u{FF20}'
        | '\u{FF3B}'..='\u{FF3D}'
        | '\u{FF3F}'
        | '\u{FF5B}'
        | '\u{FF5D}'
        | '\u{FF5F}'..='\u{FF65}' => Class::Of(Kind::Punctuation),
        // The Unicode blocks that BERT's normalizer surrounds with spaces.
        '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{2A6DF}'
        | '\u{2A700}'..='\u{2B73F}'
        | '\u{2B740}'..='\u{2B81F}'
        | '\u{2B920}'..='\u{2CEAF}'
        | '\u{2F800}'..='\u{2FA1F}' => Class::Of(Kind::Ideograph),
        _ => Class::Of(Kind::Word),
    }
}

/// Whether a character combines with the one before it.
pub(crate) fn extends(character: char) -> bool {
    matches!(character,
        '\u{300}'..='\u{36F}' | '\u{200D}' | '\u{20D0}'..='\u{20FF}' | '\u{3099}' | '\u{309A}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}' | '\u{E0100}'..='\u{E01EF}')
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::ModelTokenizer;

    /// The sum over pre-tokens is exact only if the model's tokenizer splits between any two of them, so
    /// every character that ends a pre-token is tested.
    #[test]
    fn tokenizer_splits_wherever_pre_tokens_end() {
        let models = std::env::var_os("MODELS_DIR").map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.local/models")),
            PathBuf::from,
        );
        let tokenizer = ModelTokenizer::open(&models.join("all-MiniLM-L6-v2/tokenizer.json"))
            .unwrap_or_else(|error| panic!("{error}; run scripts/stack up, or set MODELS_DIR"));
        assert!(tokenizer.counts_per_word());
        // Two words whose tokens differ from those of the joined word: "ka" + "yak" is not "kayak".
        let (left, right) = ("ka", "yak");
        let count = |text: &str| tokenizer.content_length(text).unwrap();
        assert_ne!(count("kayak"), count(left) + count(right));
        let mut tried = 0;
        for character in (0..=0x0010_FFFF).filter_map(char::from_u32) {
            if class_of(character) != Class::Of(Kind::Word) {
                tried += 1;
                let alone = count(&character.to_string());
                let expected = count(left) + alone + count(right);
                assert_eq!(
                    count(&format!("{left}{character}{right}")),
                    expected,
                    "U+{:04X}",
                    u32::from(character)
                );
            }
        }
        assert!(tried > 80_000);
    }
}
