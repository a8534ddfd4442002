//! Reads JSON as a stream of strings with the keys around them. Strings of any length take little memory, and
//! invalid JSON is read as far as it makes sense.

use crate::text::{EscapeKind, Escapes};

/// Deeper values are read as if they were at this depth.
const MAX_DEPTH: usize = 64;

/// Longer keys are truncated.
const MAX_KEY_BYTES: usize = 128;

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event<'t> {
    /// A part of a string value.
    Text(&'t str),
    /// The value of the innermost key is complete: a string, or a list with all of its items.
    ValueEnd,
    /// An object in the list of the innermost key is complete.
    ItemEnd,
}

/// A streaming reader of JSON strings.
#[derive(Debug)]
pub(super) struct JsonEvents {
    /// Open objects and lists; those beyond [`MAX_DEPTH`] are counted only.
    open: Vec<Open>,
    ignored: usize,
    /// The keys of the open objects that have one.
    keys: Vec<String>,
    string: Option<StringState>,
    /// The key that a `:` would make one.
    last_string: Option<String>,
    escapes: Escapes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Object {
        /// It has a key among `keys`, whose value is being read.
        has_key: bool,
    },
    List,
}

#[derive(Debug)]
struct StringState {
    is_after_backslash: bool,
    /// Its text, if it is a key.
    key: Option<String>,
}

impl Default for JsonEvents {
    fn default() -> Self {
        Self {
            open: Vec::new(),
            ignored: 0,
            keys: Vec::new(),
            string: None,
            last_string: None,
            escapes: Escapes::new(EscapeKind::Json { line_break: "\n" }),
        }
    }
}

impl JsonEvents {
    /// Reads the next text and passes what is known by now to `read`.
    pub(super) fn push(&mut self, text: &str, read: &mut impl FnMut(Event<'_>, &[String])) {
        let mut rest = text;
        while !rest.is_empty() {
            if self.string.is_some() {
                rest = self.read_string(rest, read);
                continue;
            }
            let byte = rest.as_bytes()[0];
            let length = rest.chars().next().map_or(1, char::len_utf8);
            rest = &rest[length..];
            self.read_structure(byte, read);
        }
    }

    #[cfg(test)]
    pub(super) fn buffered_bytes(&self) -> usize {
        let keys = self.keys.iter().chain(&self.last_string).map(String::capacity).sum::<usize>();
        self.open.capacity() * size_of::<Open>() + keys
    }

    /// Reads the part of a string that is in `text` and returns the rest.
    fn read_string<'t>(&mut self, text: &'t str, read: &mut impl FnMut(Event<'_>, &[String])) -> &'t str {
        let Some(state) = &mut self.string else {
            return text;
        };
        let mut end = None;
        for (position, byte) in text.bytes().enumerate() {
            match byte {
                _ if state.is_after_backslash => state.is_after_backslash = false,
                b'\\' => state.is_after_backslash = true,
                b'"' => {
                    end = Some(position);
                    break;
                }
                _ => {}
            }
        }
        let mut decoded = String::new();
        self.escapes.decode(&text[..end.unwrap_or(text.len())], &mut decoded);
        if end.is_some() {
            self.escapes.finish(&mut decoded);
        }
        match &mut state.key {
            Some(key) => {
                let room = MAX_KEY_BYTES - key.len();
                key.push_str(&decoded[..decoded.floor_char_boundary(room)]);
            }
            None if !decoded.is_empty() && self.ignored == 0 => read(Event::Text(&decoded), &self.keys),
            None => {}
        }
        let Some(end) = end else {
            return "";
        };
        let is_item = self.open.last() == Some(&Open::List);
        match self.string.take().and_then(|string| string.key) {
            Some(key) => self.last_string = Some(key),
            None if !is_item && self.ignored == 0 => read(Event::ValueEnd, &self.keys),
            None => {}
        }
        &text[end + 1..]
    }

    fn read_structure(&mut self, byte: u8, read: &mut impl FnMut(Event<'_>, &[String])) {
        match byte {
            b'"' => {
                let is_key = self.open.last() == Some(&Open::Object { has_key: false });
                let key = is_key.then(String::new);
                self.string = Some(StringState { is_after_backslash: false, key });
            }
            b':' => {
                if let (Some(Open::Object { has_key }), Some(key)) =
                    (self.open.last_mut(), self.last_string.take())
                    && !*has_key
                    && self.ignored == 0
                {
                    *has_key = true;
                    self.keys.push(key);
                }
            }
            b',' => self.end_entry(),
            b'{' | b'[' if self.open.len() >= MAX_DEPTH => self.ignored += 1,
            b'{' => self.open.push(Open::Object { has_key: false }),
            b'[' => self.open.push(Open::List),
            b'}' | b']' if self.ignored > 0 => self.ignored -= 1,
            b'}' => {
                self.end_entry();
                self.open.pop();
                if self.open.last() == Some(&Open::List) {
                    read(Event::ItemEnd, &self.keys);
                }
            }
            b']' => {
                self.end_entry();
                self.open.pop();
                if matches!(self.open.last(), Some(Open::Object { .. })) {
                    read(Event::ValueEnd, &self.keys);
                }
            }
            _ => {}
        }
    }

    /// Ends the value of an object's key.
    fn end_entry(&mut self) {
        if let Some(Open::Object { has_key }) = self.open.last_mut()
            && self.ignored == 0
            && std::mem::take(has_key)
        {
            self.keys.pop();
        }
    }
}
