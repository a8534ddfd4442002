//! Splitting a text into words and parts of words.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::forms::lower;
use crate::names::{number_forms, parts};
use crate::normalized::NormalizedText;
use crate::scripts::{Unspaced, is_hiragana};
use crate::stop_words::ENGLISH;

/// What a token is. It decides in which forms, and with how much weight, the token is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word of a language.
    Word,
    /// A name in a program, a version or a number, whole.
    Name,
    /// A part or another form of the word or name before it.
    Part,
    /// Two characters that follow each other, of a script without spaces between words.
    Bigram,
    /// One character of such a script.
    Character,
}

/// A word, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// The word in lower case.
    pub text: String,
    /// Where it is in the text, in bytes.
    pub range: Range<usize>,
    pub kind: Kind,
}

/// Words that French, Italian and Catalan attach to the next one with an apostrophe.
const ELISIONS: [&str; 27] = [
    "all", "c", "coll", "d", "dall", "dell", "gl", "j", "jusqu", "l", "lorsqu", "m", "n", "nell", "presqu",
    "puisqu", "qu", "quell", "quelqu", "quest", "quoiqu", "s", "sull", "t", "un", "un", "v",
];
/// What English attaches to a word with an apostrophe.
const CONTRACTIONS: [&str; 6] = ["d", "ll", "m", "re", "t", "ve"];
/// Names with more hyphens than this are split only.
const MAX_JOINED: usize = 5;

/// Returns the tokens of a text, in order.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let normalized = NormalizedText::new(text);
    let mut scan =
        Scan { normalized: &normalized, tokens: Vec::with_capacity(text.len() / 5), chain: Vec::new() };
    let text = normalized.as_str();
    if text.is_ascii() {
        scan.words(0..text.len());
    } else {
        for (run, script) in runs(text) {
            match script {
                Some(script) => scan.unspaced(run, script),
                None => scan.words(run),
            }
        }
    }
    scan.tokens
}

/// Splits a text where a script without spaces begins or ends.
fn runs(text: &str) -> Vec<(Range<usize>, Option<Unspaced>)> {
    let mut runs: Vec<(Range<usize>, Option<Unspaced>)> = Vec::new();
    for (at, grapheme) in text.grapheme_indices(true) {
        let script = grapheme.chars().next().and_then(Unspaced::of);
        let end = at + grapheme.len();
        match runs.last_mut() {
            Some((run, last)) if *last == script => run.end = end,
            _ => runs.push((at..end, script)),
        }
    }
    runs
}

/// Returns whether a word is a contraction that is a stop word, such as "it's".
fn is_contraction(word: &str) -> bool {
    ENGLISH.binary_search(&lower(word).as_ref()).is_ok()
}

struct Scan<'t> {
    normalized: &'t NormalizedText<'t>,
    tokens: Vec<Token>,
    /// Words that are joined by hyphens.
    chain: Vec<Range<usize>>,
}

impl Scan<'_> {
    /// Adds the words of a part of the text.
    fn words(&mut self, run: Range<usize>) {
        let text = self.normalized.as_str();
        for (start, word) in text[run.clone()].unicode_word_indices() {
            let start = run.start + start;
            let range = start..start + word.len();
            if self.chain.last().is_none_or(|last| &text[last.end..start] != "-") {
                self.join();
            }
            self.word(word, range.clone());
            self.chain.push(range);
        }
        self.join();
    }

    /// Adds what a chain of words is without its hyphens: a wi-fi is a wifi.
    fn join(&mut self) {
        let text = self.normalized.as_str();
        if (2..=MAX_JOINED).contains(&self.chain.len()) {
            let joined: String = self.chain.iter().map(|range| lower(&text[range.clone()])).collect();
            let range = self.chain[0].start..self.chain[self.chain.len() - 1].end;
            self.push(&joined, range, Kind::Part);
        }
        self.chain.clear();
    }

    fn word(&mut self, word: &str, range: Range<usize>) {
        if word.bytes().all(|byte| byte.is_ascii_lowercase()) {
            return self.symbol_or_word(word, range);
        }
        let possessive = word.strip_suffix("'s").or_else(|| word.strip_suffix("'S"));
        if let Some(owner) = possessive.filter(|owner| !owner.is_empty() && !is_contraction(word)) {
            return self.word(owner, range.start..range.start + owner.len());
        }
        if let Some((before, after)) = word.split_once('\'')
            && before.chars().all(char::is_alphabetic)
        {
            return self.with_apostrophe(word, range.start, before, after);
        }
        let parts = parts(word);
        if parts.is_empty() {
            self.symbol_or_word(word, range.clone());
            return self.number_forms(word, &range);
        }
        self.push(word, range.clone(), Kind::Name);
        self.number_forms(word, &range);
        for part in parts {
            let place = range.start + part.start..range.start + part.end;
            let part = &word[part];
            if part.chars().nth(1).is_some() {
                self.push(part, place.clone(), Kind::Part);
                self.number_forms(part, &place);
            }
        }
    }

    fn number_forms(&mut self, number: &str, range: &Range<usize>) {
        number_forms(number, |form| self.push(form, range.clone(), Kind::Part));
    }

    /// Adds a word, or the name of a programming language such as C++ or C# that begins with it.
    fn symbol_or_word(&mut self, word: &str, range: Range<usize>) {
        let rest = &self.normalized.as_str()[range.end..];
        let symbol = ["++", "#"].into_iter().find(|symbol| word.len() <= 2 && rest.starts_with(symbol));
        match symbol {
            Some(symbol) if !rest[symbol.len()..].starts_with(char::is_alphanumeric) => {
                let whole = range.start..range.end + symbol.len();
                self.push(&format!("{word}{symbol}"), whole, Kind::Name);
                self.push(word, range, Kind::Part);
            }
            _ => self.push(word, range, Kind::Word),
        }
    }

    /// Adds a word with an apostrophe in it: l'eau, author's, don't, O'Hara, об'єкт.
    fn with_apostrophe(&mut self, word: &str, start: usize, before: &str, after: &str) {
        let whole = start..start + word.len();
        let is_latin = before.is_ascii() || after.is_ascii();
        if !is_latin {
            return self.push(word, whole, Kind::Word);
        }
        if after.is_empty() {
            return self.word(before, start..start + before.len());
        }
        let (elided, attached) = (lower(before), lower(after));
        if CONTRACTIONS.contains(&attached.as_ref()) {
            return self.push(word, whole, Kind::Word);
        }
        let place = start + before.len() + 1..whole.end;
        if ELISIONS.contains(&elided.as_ref()) {
            return self.word(after, place);
        }
        self.push(&word.replace('\'', ""), whole, Kind::Word);
        self.push(before, start..start + before.len(), Kind::Part);
        self.push(after, place, Kind::Part);
    }

    /// Adds the bigrams of a part of the text, and its characters where they may be words.
    fn unspaced(&mut self, run: Range<usize>, script: Unspaced) {
        let text = self.normalized.as_str();
        let characters: Vec<Range<usize>> = text[run.clone()]
            .grapheme_indices(true)
            .map(|(at, character)| run.start + at..run.start + at + character.len())
            .collect();
        if let [only] = characters.as_slice() {
            return self.push(&text[only.clone()], only.clone(), Kind::Word);
        }
        for (position, character) in characters.iter().enumerate() {
            if let Some(next) = characters.get(position + 1) {
                let pair = character.start..next.end;
                self.push(&text[pair.clone()], pair, Kind::Bigram);
            }
            let is_ending = text[character.clone()].starts_with(is_hiragana);
            if script.has_short_words() && !is_ending {
                self.push(&text[character.clone()], character.clone(), Kind::Character);
            }
        }
    }

    fn push(&mut self, word: &str, place: Range<usize>, kind: Kind) {
        let range = self.normalized.original_range(&place);
        self.tokens.push(Token { text: lower(word).into_owned(), range, kind });
    }
}
