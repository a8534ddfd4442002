//! Text to atoms, by pieces.

use unicode_segmentation::UnicodeSegmentation;

use crate::atom::{Atom, Class, Gap, Kind, class_of};

/// How much of a line's start is known when its first atom comes out, unless the text ends.
pub(crate) const PEEK_BYTES: usize = 16;

/// Longer indentation stays outside the chunk that starts after it.
pub(crate) const MAX_INDENT_BYTES: u32 = 256;

/// A grapheme is looked for this far behind the place where a word must be torn.
const GRAPHEME_BYTES: usize = 64;

/// Cuts the document into atoms. Holds the text from the place that its user still needs.
#[derive(Debug)]
pub(crate) struct Scanner {
    text: String,
    /// Offset of `text` in the document.
    base: u64,
    /// Where the next atom or the white space before it goes on, in `text`.
    position: usize,
    /// How far the word at `position` was followed already, in `text`.
    followed: usize,
    gap: Gap,
    is_after_return: bool,
    max_word_bytes: usize,
    added: Vec<String>,
    longest_added: usize,
}

impl Scanner {
    /// Words longer than `max_word_bytes` are torn; `added` are texts that are one atom.
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

    /// The document's text between two offsets that are still held.
    pub(crate) fn slice(&self, start: u64, end: u64) -> &str {
        &self.text[(start - self.base) as usize..(end - self.base) as usize]
    }

    /// The text from an offset on, up to [`PEEK_BYTES`].
    pub(crate) fn peek(&self, start: u64) -> &str {
        let rest = &self.text[(start - self.base) as usize..];
        &rest[..rest.floor_char_boundary(PEEK_BYTES)]
    }

    /// Lets go of the text before `offset`, and of white space that leads nowhere yet.
    pub(crate) fn release(&mut self, offset: Option<u64>) {
        let needed = offset.map_or(self.position, |offset| (offset - self.base) as usize);
        // A chunk may begin with the indentation of the next atom.
        let indent = self.gap.indent_bytes.min(MAX_INDENT_BYTES) as usize;
        let unneeded = needed.min(self.position - indent);
        // Moving the rest costs its length, so wait until that is little beside what goes.
        if unneeded > self.text.len() / 2 {
            self.text.drain(..unneeded);
            self.base += unneeded as u64;
            self.position -= unneeded;
            self.followed = self.followed.saturating_sub(unneeded);
        }
    }

    /// How much memory the text takes.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        self.text.capacity()
    }

    /// Bytes of white space since the last atom.
    pub(crate) fn open_gap_bytes(&self) -> u64 {
        self.gap.bytes
    }

    /// The next atom, or `None` until more text is there. `is_last` says that none will come.
    pub(crate) fn next(&mut self, is_last: bool) -> Option<Atom> {
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

    fn next_word(&mut self, is_last: bool) -> Option<Atom> {
        let torn_at = self.position + self.max_word_bytes + GRAPHEME_BYTES;
        let bytes = self.text.as_bytes();
        let mut end = self.followed;
        while end < bytes.len() && end < torn_at {
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
        if end == bytes.len() && end < torn_at && !is_last {
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
        let atom = self.take(length, Kind::Word);
        self.gap.is_torn = true;
        Some(atom)
    }

    fn take(&mut self, length: usize, kind: Kind) -> Atom {
        let start = self.base + self.position as u64;
        self.position += length;
        self.followed = self.followed.max(self.position);
        self.is_after_return = false;
        Atom { start, end: start + length as u64, kind, gap: std::mem::take(&mut self.gap) }
    }
}
