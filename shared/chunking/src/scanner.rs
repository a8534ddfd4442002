//! Scans text into pre-tokens, streaming.

use unicode_segmentation::UnicodeSegmentation;

use crate::pre_token::{Class, Gap, Kind, PreToken, class_of};

/// Bytes of a line's start that are known when its first pre-token is returned, unless the text ends.
pub(crate) const PEEK_BYTES: usize = 16;

/// Longer indentation is not part of the chunk that starts after it.
pub(crate) const MAX_INDENT_BYTES: u32 = 256;

/// How far beyond the place where a long word must be split a grapheme boundary is searched.
const GRAPHEME_BYTES: usize = 64;

/// Splits the document into pre-tokens. Buffers the text from the offset that its user still needs.
#[derive(Debug)]
pub(crate) struct Scanner {
    text: String,
    /// Offset of `text` in the document.
    base: u64,
    /// Where the next pre-token or the white space before it continues, in `text`.
    position: usize,
    /// End of the scanned part of the word at `position`, in `text`.
    followed: usize,
    gap: Gap,
    is_after_return: bool,
    max_word_bytes: usize,
    added: Vec<String>,
    longest_added: usize,
}

impl Scanner {
    /// Words longer than `max_word_bytes` are split; `added` are texts that are one pre-token.
    pub(crate) fn new(max_word_bytes: usize, added: &[String]) -> Self {
        let longest_added = added.iter().map(String::len).max().unwrap_or(0);
        Self {
            text: String::new(),
            base: 0,
            position: 0,
            followed: 0,
            gap: Gap { lines: 2, ..Gap::default() },
            is_after_return: false,
            max_word_bytes,
            added: added.to_vec(),
            longest_added,
        }
    }

    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The document's text between two offsets that are still buffered.
    pub(crate) fn slice(&self, start: u64, end: u64) -> &str {
        &self.text[(start - self.base) as usize..(end - self.base) as usize]
    }

    /// The offset at which the next pre-token or the white space before it continues.
    pub(crate) fn position(&self) -> u64 {
        self.base + self.position as u64
    }

    /// The text from an offset on, up to [`PEEK_BYTES`].
    pub(crate) fn peek(&self, start: u64) -> &str {
        let rest = &self.text[(start - self.base) as usize..];
        &rest[..rest.floor_char_boundary(PEEK_BYTES)]
    }

    /// Drops the text before `offset`, or before the next pre-token without one.
    pub(crate) fn release(&mut self, offset: Option<u64>) {
        let needed = offset.map_or(self.position, |offset| (offset - self.base) as usize);
        // A chunk may begin with the indentation of the next pre-token.
        let indent = self.gap.indent_bytes.min(MAX_INDENT_BYTES) as usize;
        let unneeded = self.text.floor_char_boundary(needed.min(self.position - indent));
        // Moving the rest costs its length, so it is moved only when less than half remains.
        if unneeded > self.text.len() / 2 {
            self.text.drain(..unneeded);
            self.base += unneeded as u64;
            self.position -= unneeded;
            self.followed = self.followed.saturating_sub(unneeded);
        }
    }

    /// Memory that the buffered text takes.
    #[cfg(test)]
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.text.capacity()
    }

    /// Bytes of white space since the last pre-token.
    pub(crate) fn trailing_gap_bytes(&self) -> u64 {
        self.gap.bytes
    }

    /// Returns the next pre-token, or `None` if more text is needed. With `is_last`, no more text follows.
    pub(crate) fn next(&mut self, is_last: bool) -> Option<PreToken> {
        self.skip_space();
        let rest = &self.text.as_bytes()[self.position..];
        if rest.is_empty() {
            return None;
        }
        if self.gap.lines > 0 && rest.len() < PEEK_BYTES + 4 && !is_last {
            return None;
        }
        let first = self.text[self.position..].chars().next()?;
        let (length, kind) = match class_of(first) {
            Class::Of(Kind::Punctuation) if first.is_ascii() => {
                if rest.len() < self.longest_added && !is_last {
                    return None;
                }
                (self.added_length().unwrap_or(1), Kind::Punctuation)
            }
            Class::Of(Kind::Word) | Class::Space => return self.next_word(is_last),
            Class::Of(kind) => (first.len_utf8(), kind),
        };
        Some(self.take(length, kind))
    }

    fn skip_space(&mut self) {
        let text = &self.text[self.position..];
        let mut skipped = 0;
        for character in text.chars() {
            if class_of(character) != Class::Space {
                break;
            }
            let length = character.len_utf8();
            skipped += length;
            self.gap.bytes += length as u64;
            match character {
                '\n' if self.is_after_return => {}
                '\n' | '\r' | '\u{2028}' => self.gap.lines = self.gap.lines.saturating_add(1),
                '\u{2029}' => self.gap.lines = self.gap.lines.saturating_add(2),
                _ => {
                    self.gap.indent_bytes = self.gap.indent_bytes.saturating_add(length as u32);
                    let columns = if character == '\t' { 4 } else { 1 };
                    self.gap.indent_columns = self.gap.indent_columns.saturating_add(columns);
                }
            }
            if matches!(character, '\n' | '\r' | '\u{2028}' | '\u{2029}') {
                self.gap.indent_bytes = 0;
                self.gap.indent_columns = 0;
            }
            self.is_after_return = character == '\r';
        }
        self.position += skipped;
        self.followed = self.followed.max(self.position);
    }

    fn added_length(&self) -> Option<usize> {
        let rest = &self.text[self.position..];
        self.added.iter().filter(|added| rest.starts_with(added.as_str())).map(String::len).max()
    }

    fn next_word(&mut self, is_last: bool) -> Option<PreToken> {
        let break_at = self.position + self.max_word_bytes + GRAPHEME_BYTES;
        let bytes = self.text.as_bytes();
        let mut end = self.followed;
        while end < bytes.len() && end < break_at {
            if bytes[end].is_ascii_alphanumeric() {
                end += 1;
                continue;
            }
            match self.text[end..].chars().next() {
                Some(character) if class_of(character) == Class::Of(Kind::Word) => {
                    end += character.len_utf8()
                }
                _ => break,
            }
        }
        self.followed = end;
        if end == bytes.len() && end < break_at && !is_last {
            return None;
        }
        let word = &self.text[self.position..end];
        if word.len() <= self.max_word_bytes {
            return Some(self.take(word.len(), Kind::Word));
        }
        let visible = &word[..word.floor_char_boundary(self.max_word_bytes + GRAPHEME_BYTES)];
        let length = visible
            .grapheme_indices(true)
            .map(|(start, _)| start)
            .take_while(|start| *start <= self.max_word_bytes)
            .last()
            .filter(|length| *length > 0)
            .unwrap_or_else(|| word.floor_char_boundary(self.max_word_bytes));
        let pre_token = self.take(length, Kind::Word);
        self.gap.continues_word = true;
        Some(pre_token)
    }

    fn take(&mut self, length: usize, kind: Kind) -> PreToken {
        let start = self.base + self.position as u64;
        self.position += length;
        self.followed = self.followed.max(self.position);
        self.is_after_return = false;
        PreToken { start, end: start + length as u64, kind, gap: std::mem::take(&mut self.gap) }
    }
}
