//! The model's tokenizer, and how it counts tokens.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokenization::{max_word_chars, read_tokenizer};
use tokenizers::{Model, Tokenizer};
use unicode_segmentation::UnicodeSegmentation;

use crate::ChunkingError;
use crate::word_counts::WordCounts;
use crate::word_tokens::WordTokens;

/// Count caches that are kept for the next documents; more chunkers at once are rare, and their caches
/// are dropped.
const MAX_IDLE_COUNTS: usize = 4;

/// Bytes of a word in which so many tokens are searched at first.
const WINDOW_BYTES_PER_TOKEN: usize = 5;

/// A model's tokenizer, opened once and shared by all documents.
pub struct ModelTokenizer {
    tokenizer: Tokenizer,
    special: u32,
    /// Set if a text has as many tokens as its words together.
    per_word: Option<PerWord>,
    idle_counts: Mutex<Vec<WordCounts>>,
}

/// What counting per word needs.
#[derive(Debug)]
struct PerWord {
    /// Token counts of ASCII punctuation marks, by code.
    ascii: [u32; 128],
    /// Added tokens such as `[SEP]`, which the tokenizer also finds in plain text.
    added: Vec<String>,
    /// Whether the normalizer lower-cases letters.
    lowercases: bool,
    /// The most characters of a word that the model reads; longer ones are split before.
    max_word_chars: usize,
}

impl std::fmt::Debug for ModelTokenizer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ModelTokenizer")
            .field("special", &self.special)
            .field("counts_per_word", &self.counts_per_word())
            .finish_non_exhaustive()
    }
}

impl ModelTokenizer {
    /// Reads a `tokenizer.json`. Its truncation and padding are ignored, because chunks are counted in
    /// full.
    ///
    /// # Errors
    /// Returns [`ChunkingError::TokenizerFile`] if the file is missing or invalid.
    pub fn open(path: &Path) -> Result<Self, ChunkingError> {
        let refuse =
            |reason: String| ChunkingError::TokenizerFile { path: path.display().to_string(), reason };
        let json = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
        let tokenizer = read_tokenizer(&json).map_err(|error| refuse(error.to_string()))?;
        let declared: Value = serde_json::from_slice(&json).map_err(|error| refuse(error.to_string()))?;
        let mut opened = Self { tokenizer, special: 0, per_word: None, idle_counts: Mutex::new(Vec::new()) };
        opened.special = opened.encode_length("", true)?;
        if splits_words(&declared) {
            opened.per_word = opened.measure_per_word(&declared)?;
        }
        Ok(opened)
    }

    /// Counts the tokens that the model reads for a text, special tokens included.
    ///
    /// # Errors
    /// Returns [`ChunkingError::Tokenize`] if the tokenizer refuses the text.
    pub fn count(&self, text: &str) -> Result<u32, ChunkingError> {
        self.encode_length(text, true)
    }

    /// The number of tokens that the model adds to every text, for example `[CLS]` and `[SEP]`.
    pub fn special_tokens(&self) -> u32 {
        self.special
    }

    /// Whether tokens are counted per word. True for BERT's WordPiece tokenizers, where the sum over the
    /// words is exact; with others, each chunk is encoded.
    pub fn counts_per_word(&self) -> bool {
        self.per_word.is_some()
    }

    /// Texts that are one token in any context.
    pub(crate) fn added_tokens(&self) -> &[String] {
        self.per_word.as_ref().map_or(&[], |per_word| &per_word.added)
    }

    pub(crate) fn take_counts(&self) -> WordCounts {
        let mut idle = self.idle_counts.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop().unwrap_or_else(WordCounts::new)
    }

    pub(crate) fn return_counts(&self, counts: WordCounts) {
        let mut idle = self.idle_counts.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE_COUNTS {
            idle.push(counts);
        }
    }

    /// Counts the tokens of one pre-token; exact if tokens are counted per word.
    pub(crate) fn count_pre_token(
        &self,
        pre_token: &str,
        counts: &mut WordCounts,
    ) -> Result<u32, ChunkingError> {
        if let (Some(per_word), [byte]) = (&self.per_word, pre_token.as_bytes())
            && byte.is_ascii_punctuation()
        {
            return Ok(per_word.ascii[usize::from(*byte)]);
        }
        counts.find_or_insert(pre_token, |pre_token| self.count_new_word(pre_token))
    }

    /// The normalizer and the pre-tokenizer change only the case of ASCII letters and digits, so the model
    /// alone can count them, at a fifth of the cost.
    fn count_new_word(&self, word: &str) -> Result<u32, ChunkingError> {
        let Some(per_word) = &self.per_word else {
            return self.content_length(word);
        };
        if word.len() > per_word.max_word_chars || !word.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return self.content_length(word);
        }
        let model = self.tokenizer.get_model();
        let tokens = if per_word.lowercases && word.bytes().any(|byte| byte.is_ascii_uppercase()) {
            model.tokenize(&word.to_ascii_lowercase())
        } else {
            model.tokenize(word)
        };
        Ok(u32::try_from(tokens.map_err(refused)?.len()).unwrap_or(u32::MAX))
    }

    /// Counts the tokens of a text by a full encode, without special tokens.
    pub(crate) fn content_length(&self, text: &str) -> Result<u32, ChunkingError> {
        self.encode_length(text, false)
    }

    /// The text's tokens, each after the byte offset where it ends.
    pub(crate) fn tokens_with_ends(&self, text: &str) -> Result<Vec<(usize, u32)>, ChunkingError> {
        let encoding = self.tokenizer.encode(text, false).map_err(refused)?;
        let ends = encoding.get_offsets().iter().map(|(_, end)| *end);
        Ok(ends.zip(encoding.get_ids().iter().copied()).collect())
    }

    /// The tokens of one pre-token; as many as [`Self::count_pre_token`] counts.
    pub(crate) fn pre_token_ids(
        &self,
        pre_token: &str,
        known: &mut WordTokens,
    ) -> Result<Vec<u32>, ChunkingError> {
        known.find_or_insert(pre_token, |pre_token| {
            let encoding = self.tokenizer.encode_fast(pre_token, false).map_err(refused)?;
            Ok(encoding.get_ids().to_vec())
        })
    }

    /// Returns the length of the longest prefix with at most `limit` tokens: whole graphemes if one fits,
    /// and at least one character.
    pub(crate) fn longest_prefix(&self, text: &str, limit: u32) -> Result<usize, ChunkingError> {
        // A long word has more tokens than fit, and each trial costs its length.
        let text = &text[..self.first_tokens(text, limit)?];
        let graphemes: Vec<usize> =
            text.grapheme_indices(true).map(|(start, grapheme)| start + grapheme.len()).collect();
        if let Some(whole) = graphemes.last()
            && self.content_length(&text[..*whole])? <= limit
        {
            return Ok(*whole);
        }
        let found = self.longest_of(text, &graphemes, limit)?;
        if found > 0 {
            return Ok(found);
        }
        let characters: Vec<usize> =
            text.char_indices().map(|(start, character)| start + character.len_utf8()).collect();
        let found = self.longest_of(text, &characters, limit)?;
        Ok(if found > 0 { found } else { characters.first().copied().unwrap_or(text.len()) })
    }

    /// Counts the tokens of a text, without special tokens, or so many of them that there are more than `limit`.
    pub(crate) fn count_up_to(&self, text: &str, limit: u32) -> Result<u32, ChunkingError> {
        let window = limit as usize * WINDOW_BYTES_PER_TOKEN;
        if text.len() > window {
            let count = self.content_length(&text[..text.floor_char_boundary(window)])?;
            if count > limit {
                return Ok(count);
            }
        }
        self.content_length(text)
    }

    /// Returns where the first `limit` tokens of a text end, or the text's length if it has no more.
    fn first_tokens(&self, text: &str, limit: u32) -> Result<usize, ChunkingError> {
        let limit = limit.max(1) as usize;
        let mut window = limit * WINDOW_BYTES_PER_TOKEN;
        loop {
            let start = &text[..text.floor_char_boundary(window)];
            let tokens = self.tokens_with_ends(start)?;
            match tokens.get(limit) {
                // The token after the last one shows that the last one is complete.
                Some(_) => return Ok(tokens[limit - 1].0),
                None if start.len() == text.len() => return Ok(text.len()),
                None => window *= 4,
            }
        }
    }

    /// A binary search, because longer texts have more tokens. With a tokenizer that breaks this rule the
    /// result still fits and may be shorter than possible.
    fn longest_of(&self, text: &str, ends: &[usize], limit: u32) -> Result<usize, ChunkingError> {
        let (mut fits, mut low, mut high) = (0, 0, ends.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.content_length(&text[..ends[middle]])? <= limit {
                fits = ends[middle];
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(fits)
    }

    fn encode_length(&self, text: &str, with_special: bool) -> Result<u32, ChunkingError> {
        let encoding = self.tokenizer.encode_fast(text, with_special).map_err(refused)?;
        Ok(u32::try_from(encoding.len()).unwrap_or(u32::MAX))
    }

    fn measure_per_word(&self, declared: &Value) -> Result<Option<PerWord>, ChunkingError> {
        let Some(added) = added_tokens(declared) else {
            return Ok(None);
        };
        let mut ascii = [0; 128];
        for (code, tokens) in (0_u8..).zip(&mut ascii) {
            if code.is_ascii_punctuation() {
                *tokens = self.content_length(&char::from(code).to_string())?;
            }
        }
        let lowercases = declared["normalizer"]["lowercase"] == true;
        let max_word_chars = max_word_chars(&self.tokenizer).unwrap_or(usize::MAX);
        Ok(Some(PerWord { ascii, added, lowercases, max_word_chars }))
    }
}

fn refused(error: tokenizers::Error) -> ChunkingError {
    ChunkingError::Tokenize { reason: error.to_string() }
}

/// Whether tokens never span words: BERT's normalizer treats characters one by one, its pre-tokenizer
/// splits at white space and punctuation, and WordPiece sees one such word at a time.
fn splits_words(declared: &Value) -> bool {
    declared["model"]["type"] == "WordPiece"
        && declared["pre_tokenizer"]["type"] == "BertPreTokenizer"
        && declared["normalizer"]["type"] == "BertNormalizer"
        && declared["normalizer"]["handle_chinese_chars"] == true
}

/// The texts of the added tokens, or `None` if one of them is matched in another form than its literal
/// text, or does not start with a punctuation mark.
fn added_tokens(declared: &Value) -> Option<Vec<String>> {
    let empty = Vec::new();
    let tokens = declared["added_tokens"].as_array().unwrap_or(&empty);
    tokens
        .iter()
        .map(|token| {
            let content = token["content"].as_str()?;
            let is_plain = token["normalized"] == false
                && token["single_word"] == false
                && content.starts_with(|first: char| first.is_ascii_punctuation())
                && !content.contains(char::is_whitespace);
            is_plain.then(|| content.to_owned())
        })
        .collect()
}
