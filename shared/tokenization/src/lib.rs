//! Tokenizers of models.
//!
//! A crate of its own because chunks must be counted by the tokenizer that the model reads them with.
//!
//! WordPiece replaces a word of more than 100 characters by one unknown token. Texts without spaces, checksums
//! and encoded data are such words, and all of them would have the same embedding. Here such a word is split
//! into pieces that the tokenizer reads, and a zero-width space, which it would delete, separates words.

use tokenizers::models::ModelWrapper;
use tokenizers::normalizers::{NormalizerWrapper, Replace, Sequence as Normalizers};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::fixed_length::FixedLength;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::{Result, Tokenizer};

/// Marks where words may be separated, in languages without spaces; has no width.
pub const ZERO_WIDTH_SPACE: char = '\u{200b}';

/// Reads a `tokenizer.json`, without the truncation and padding that it was saved with.
///
/// # Errors
/// Returns an error if the file is not a tokenizer.
pub fn read_tokenizer(json: &[u8]) -> Result<Tokenizer> {
    let mut tokenizer = Tokenizer::from_bytes(json)?;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None)?;
    let Some(limit) = max_word_chars(&tokenizer) else {
        return Ok(tokenizer);
    };
    let splitter = PreTokenizerWrapper::from(FixedLength::new(limit));
    let splitters = match tokenizer.get_pre_tokenizer() {
        Some(own) => vec![own.clone(), splitter],
        None => vec![splitter],
    };
    let replacement = NormalizerWrapper::from(Replace::new(ZERO_WIDTH_SPACE.to_string(), " ")?);
    let normalizers = match tokenizer.get_normalizer() {
        Some(own) => vec![replacement, own.clone()],
        None => vec![replacement],
    };
    tokenizer.with_pre_tokenizer(Some(PreTokenizers::new(splitters)));
    tokenizer.with_normalizer(Some(Normalizers::new(normalizers)))?;
    Ok(tokenizer)
}

/// Returns the number of characters from which on a tokenizer cannot read a word, or `None` if it reads any.
pub fn max_word_chars(tokenizer: &Tokenizer) -> Option<usize> {
    match tokenizer.get_model() {
        ModelWrapper::WordPiece(model) => Some(model.max_input_chars_per_word.max(1)),
        _ => None,
    }
}

/// Returns the id of the token that stands for what a tokenizer cannot read, or `None` if it reads everything.
pub fn unknown_token_id(tokenizer: &Tokenizer) -> Option<u32> {
    match tokenizer.get_model() {
        ModelWrapper::WordPiece(model) => tokenizer.token_to_id(&model.unk_token),
        ModelWrapper::WordLevel(model) => tokenizer.token_to_id(&model.unk_token),
        ModelWrapper::BPE(model) => {
            model.get_unk_token().as_deref().and_then(|token| tokenizer.token_to_id(token))
        }
        // The name that SentencePiece gives it; the model does not tell.
        ModelWrapper::Unigram(_) => tokenizer.token_to_id("<unk>"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// A WordPiece tokenizer of letters and digits that reads words of 10 characters.
    fn tokenizer() -> Tokenizer {
        let mut vocabulary = serde_json::Map::new();
        vocabulary.insert("[UNK]".to_owned(), json!(0));
        for letter in ('a'..='z').chain('0'..='9') {
            vocabulary.insert(letter.to_string(), json!(vocabulary.len()));
            vocabulary.insert(format!("##{letter}"), json!(vocabulary.len()));
        }
        let file = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "post_processor": null,
            "decoder": null, "pre_tokenizer": { "type": "BertPreTokenizer" },
            "normalizer": {
                "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
                "lowercase": true,
            },
            "model": {
                "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 10, "vocab": vocabulary,
            },
        });
        read_tokenizer(file.to_string().as_bytes()).unwrap()
    }

    fn tokens(text: &str) -> Vec<String> {
        tokenizer().encode(text, false).unwrap().get_tokens().to_vec()
    }

    #[test]
    fn long_words_are_split() {
        assert_eq!(tokens("abc").concat(), "a##b##c");
        let found = tokens(&"a1".repeat(12));
        assert_eq!(found.len(), 24);
        assert_eq!(found.iter().filter(|token| !token.starts_with("##")).count(), 3);
    }

    #[test]
    fn zero_width_spaces_separate_words() {
        assert_eq!(tokens("ab\u{200b}cd"), tokens("ab cd"));
        assert_ne!(tokens("ab\u{200b}cd"), tokens("abcd"));
        let offsets = tokenizer().encode("ab\u{200b}cd", false).unwrap().get_offsets().to_vec();
        assert_eq!(offsets.last(), Some(&(6, 7)));
    }

    #[test]
    fn unknown_token_is_that_of_the_model() {
        let tokenizer = tokenizer();
        assert_eq!((unknown_token_id(&tokenizer), max_word_chars(&tokenizer)), (Some(0), Some(10)));
        assert_eq!(tokens("ж"), ["[UNK]"]);
    }

    proptest! {
        #[test]
        fn words_within_the_limit_are_read_as_before(words in prop::collection::vec("[a-z0-9]{1,10}", 0..20)) {
            let text = words.join(" ");
            let separately: Vec<String> = words.iter().flat_map(|word| tokens(word)).collect();
            prop_assert_eq!(tokens(&text), separately);
        }

        #[test]
        fn readable_words_of_any_length_have_no_unknown_token(word in "[a-z0-9]{1,200}") {
            prop_assert!(!tokens(&word).iter().any(|token| token == "[UNK]"));
        }
    }
}
