//! A streaming HTML tokenizer.
//!
//! The states are those of the WHATWG tokenizer, reduced to what separates text from markup. A
//! tokenizer that yields whole tokens would buffer comments and attributes of any length, and a tree
//! would hold the document; this one buffers only a tag's name, the start of a few attributes and one character
//! reference, so memory is bounded whatever the page contains.

use super::attributes::Attributes;
use super::layout::Layout;
use super::raw::Raw;

/// Longer names are truncated: no relevant element has one.
const MAX_NAME_BYTES: usize = 32;

/// The longest named character reference has 33 bytes.
const MAX_REFERENCE_BYTES: usize = 48;

/// Reads HTML and writes the text that a reader would see.
#[derive(Debug)]
pub(super) struct VisibleText {
    state: State,
    /// Lower-case name of the current tag.
    name: String,
    is_end_tag: bool,
    /// The previous character of the tag was `/`.
    is_self_closing: bool,
    attributes: Attributes,
    /// `&...` or `<...` that may still be text.
    held: String,
    /// The open element whose content is not markup.
    raw: Option<Raw>,
    pub(super) layout: Layout,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    Reference,
    TagOpen,
    EndTagOpen,
    TagName,
    BeforeAttribute,
    AttributeName,
    AfterAttributeName,
    BeforeValue,
    DoubleQuoted,
    SingleQuoted,
    Unquoted,
    AfterQuoted,
    /// `<!` and up to one dash.
    MarkupDeclaration {
        dashes: u8,
    },
    /// Until the next `>`.
    BogusComment,
    Comment {
        dashes: u8,
        is_at_start: bool,
        has_bang: bool,
    },
    /// `</` and a prefix of the raw element's name.
    RawEnd,
}

impl VisibleText {
    pub(super) fn new() -> Self {
        Self {
            state: State::Text,
            name: String::new(),
            is_end_tag: false,
            is_self_closing: false,
            attributes: Attributes::default(),
            held: String::new(),
            raw: None,
            layout: Layout::new(),
        }
    }

    /// Reads the next part of the page.
    pub(super) fn push(&mut self, html: &str, out: &mut String) {
        let mut rest = html;
        while let Some(character) = rest.chars().next() {
            if self.state == State::Text {
                let markup = memchr::memchr2(b'<', b'&', rest.as_bytes()).unwrap_or(rest.len());
                let (text, later) = rest.split_at(markup);
                self.text(text, out);
                rest = later;
                if rest.is_empty() {
                    break;
                }
                self.open_markup(rest.as_bytes()[0], out);
                rest = &rest[1..];
                continue;
            }
            if let Some(skipped) = self.skip_length(rest) {
                if matches!(self.state, State::DoubleQuoted | State::SingleQuoted) {
                    self.attributes.push_value(&rest[..skipped]);
                }
                rest = &rest[skipped..];
                continue;
            }
            if self.step(character, out) {
                rest = &rest[character.len_utf8()..];
            }
        }
    }

    /// Ends the page.
    pub(super) fn finish(&mut self, out: &mut String) {
        match self.state {
            State::Reference => self.end_reference(out),
            State::TagOpen | State::EndTagOpen | State::RawEnd => self.held_is_text(out),
            _ => {}
        }
        self.layout.finish(out);
    }

    /// Bytes to skip up to the next character that can change the state.
    fn skip_length(&self, rest: &str) -> Option<usize> {
        let bytes = rest.as_bytes();
        let next = match self.state {
            State::DoubleQuoted => memchr::memchr(b'"', bytes),
            State::SingleQuoted => memchr::memchr(b'\'', bytes),
            State::BogusComment => memchr::memchr(b'>', bytes),
            State::Comment { dashes: 0, is_at_start: false, has_bang: false } => memchr::memchr(b'-', bytes),
            _ => return None,
        };
        match next {
            Some(0) => None,
            Some(length) => Some(length),
            None => Some(bytes.len()),
        }
    }

    fn open_markup(&mut self, byte: u8, out: &mut String) {
        match (byte, &self.raw) {
            (b'&', Some(raw)) if !raw.is_text => self.text("&", out),
            (b'&', _) => {
                self.held.push('&');
                self.state = State::Reference;
            }
            (_, Some(_)) => {
                self.held.push('<');
                self.state = State::RawEnd;
            }
            (_, None) => {
                self.held.push('<');
                self.state = State::TagOpen;
            }
        }
    }

    /// Reads one character outside text. Returns false if the new state must read it again.
    fn step(&mut self, character: char, out: &mut String) -> bool {
        let is_space = matches!(character, '\t' | '\n' | '\r' | '\x0C' | ' ');
        match self.state {
            State::Text => return false,
            State::Reference => {
                let continues =
                    character.is_ascii_alphanumeric() || (character == '#' && self.held.len() == 1);
                if continues && self.held.len() < MAX_REFERENCE_BYTES {
                    self.held.push(character);
                    return true;
                }
                let ends = character == ';';
                if ends {
                    self.held.push(';');
                }
                self.end_reference(out);
                return ends;
            }
            State::TagOpen => match character {
                '/' => {
                    self.held.push('/');
                    self.state = State::EndTagOpen;
                }
                '!' => self.begin(State::MarkupDeclaration { dashes: 0 }),
                '?' => self.begin(State::BogusComment),
                letter if letter.is_ascii_alphabetic() => return self.begin_tag(false),
                _ => {
                    self.held_is_text(out);
                    return false;
                }
            },
            State::EndTagOpen => match character {
                '>' => self.begin(State::Text),
                letter if letter.is_ascii_alphabetic() => return self.begin_tag(true),
                _ => {
                    self.begin(State::BogusComment);
                    return false;
                }
            },
            State::TagName => match character {
                '/' | '>' => return self.leave_name(),
                _ if is_space => return self.leave_name(),
                _ if self.name.len() < MAX_NAME_BYTES => self.name.push(character.to_ascii_lowercase()),
                _ => {}
            },
            State::BeforeAttribute
            | State::AfterQuoted
            | State::AttributeName
            | State::AfterAttributeName => {
                return self.step_attribute(character, is_space, out);
            }
            State::BeforeValue => match character {
                _ if is_space => {}
                '"' => self.state = State::DoubleQuoted,
                '\'' => self.state = State::SingleQuoted,
                '>' => self.end_tag(out),
                _ => {
                    self.state = State::Unquoted;
                    return false;
                }
            },
            State::DoubleQuoted | State::SingleQuoted => self.state = State::AfterQuoted,
            State::Unquoted => match character {
                '>' => self.end_tag(out),
                _ if is_space => self.state = State::BeforeAttribute,
                _ => self.attributes.push_value(character.encode_utf8(&mut [0; 4])),
            },
            State::MarkupDeclaration { dashes } => match (character, dashes) {
                ('-', 0) => self.state = State::MarkupDeclaration { dashes: 1 },
                ('-', _) => self.state = State::Comment { dashes: 0, is_at_start: true, has_bang: false },
                _ => {
                    self.state = State::BogusComment;
                    return false;
                }
            },
            State::BogusComment => self.state = State::Text,
            State::Comment { dashes, is_at_start, has_bang } => {
                self.step_comment(character, dashes, is_at_start, has_bang);
            }
            State::RawEnd => return self.step_raw_end(character, out),
        }
        true
    }

    fn step_attribute(&mut self, character: char, is_space: bool, out: &mut String) -> bool {
        match character {
            '>' => self.end_tag(out),
            '/' => {
                self.is_self_closing = true;
                self.state = State::BeforeAttribute;
                return true;
            }
            '=' if matches!(self.state, State::AttributeName | State::AfterAttributeName) => {
                self.state = State::BeforeValue;
            }
            _ if is_space => {
                self.state = match self.state {
                    State::AttributeName | State::AfterAttributeName => State::AfterAttributeName,
                    _ => State::BeforeAttribute,
                };
            }
            _ => {
                if self.state != State::AttributeName {
                    self.attributes.end();
                    self.state = State::AttributeName;
                }
                self.attributes.push_name(character);
            }
        }
        self.is_self_closing = false;
        true
    }

    fn step_comment(&mut self, character: char, dashes: u8, is_at_start: bool, has_bang: bool) {
        self.state = match character {
            '-' if has_bang => State::Comment { dashes: 1, is_at_start: false, has_bang: false },
            // `<!-` and one more dash stay at the start: `<!--->` is a whole comment.
            '-' => State::Comment {
                dashes: (dashes + 1).min(2),
                is_at_start: is_at_start && dashes == 0,
                has_bang: false,
            },
            '>' if has_bang || dashes == 2 || is_at_start => State::Text,
            '!' if dashes == 2 && !has_bang => {
                State::Comment { dashes: 2, is_at_start: false, has_bang: true }
            }
            _ => State::Comment { dashes: 0, is_at_start: false, has_bang: false },
        };
    }

    /// Reads one character of a raw element after a `<`.
    fn step_raw_end(&mut self, character: char, out: &mut String) -> bool {
        let Some(raw) = &self.raw else {
            self.held_is_text(out);
            return false;
        };
        let expected_length = "</".len() + raw.name.len();
        if self.held.len() == expected_length {
            let ends = matches!(character, '\t' | '\n' | '\r' | '\x0C' | ' ' | '/' | '>');
            if ends && !raw.script.is_double {
                self.name = raw.name.to_owned();
                self.begin_named(true);
                self.state = State::BeforeAttribute;
            } else {
                self.held_is_text(out);
            }
            return false;
        }
        let expected = match self.held.len() {
            1 => b'/',
            position => raw.name.as_bytes()[position - 2],
        };
        if u8::try_from(character).is_ok_and(|byte| byte.eq_ignore_ascii_case(&expected)) {
            self.held.push(character);
            return true;
        }
        self.held_is_text(out);
        false
    }

    fn begin(&mut self, state: State) {
        self.held.clear();
        self.state = state;
    }

    fn begin_tag(&mut self, is_end_tag: bool) -> bool {
        self.name.clear();
        self.begin_named(is_end_tag);
        self.state = State::TagName;
        false
    }

    fn begin_named(&mut self, is_end_tag: bool) {
        self.held.clear();
        self.is_end_tag = is_end_tag;
        self.is_self_closing = false;
        self.attributes.clear();
    }

    fn leave_name(&mut self) -> bool {
        self.state = State::BeforeAttribute;
        false
    }

    /// Handles the `>` of a tag.
    fn end_tag(&mut self, out: &mut String) {
        self.state = State::Text;
        self.attributes.end();
        if self.is_end_tag {
            if self.raw.take().is_some_and(|raw| raw.name == "title") {
                self.layout.end_title(out);
            } else {
                self.layout.end_tag(&self.name, out);
            }
            return;
        }
        self.raw = Raw::of(&self.name);
        if self.name == "title" {
            self.layout.begin_title();
        } else {
            self.layout.start_tag(&self.name, self.is_self_closing, &self.attributes, out);
        }
    }

    fn end_reference(&mut self, out: &mut String) {
        self.state = State::Text;
        let held = std::mem::take(&mut self.held);
        let decoded = htmlize::unescape(held.as_str());
        self.text(&decoded, out);
    }

    fn held_is_text(&mut self, out: &mut String) {
        self.state = State::Text;
        let held = std::mem::take(&mut self.held);
        self.text(&held, out);
    }

    fn text(&mut self, text: &str, out: &mut String) {
        if let Some(raw) = &mut self.raw
            && !raw.is_text
        {
            if raw.name == "script" {
                raw.script.read(text);
            }
            return;
        }
        self.layout.text(text, out);
    }
}
