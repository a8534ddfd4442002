//! Decodes backslash escapes, streaming.

/// Which escapes are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EscapeKind {
    /// Those of JSON strings; line breaks become this text, one for a run of them.
    Json { line_break: &'static str },
    /// `\uXXXX`, `\UXXXXXXXX` and `\xXX` of printable characters, as in YAML and Java properties.
    Unicode,
}

/// Decodes the escapes in text.
#[derive(Debug)]
pub(crate) struct Escapes {
    kind: EscapeKind,
    /// An escape that is not complete, from its backslash on; two for a surrogate pair.
    held: String,
    is_after_line_break: bool,
}

/// What an escape stands for.
enum Decoded {
    Character(char),
    LineBreak,
    /// More text is needed.
    Incomplete,
    /// None: its first characters, this many bytes, are text.
    Text(usize),
    /// A half of a surrogate pair, without the other.
    Lone(usize),
}

impl Escapes {
    pub(crate) fn new(kind: EscapeKind) -> Self {
        Self { kind, held: String::new(), is_after_line_break: false }
    }

    /// Appends the text with its escapes decoded to `out`.
    pub(crate) fn decode(&mut self, text: &str, out: &mut String) {
        let mut rest = text;
        while !rest.is_empty() {
            if self.held.is_empty() {
                let start = memchr::memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
                self.is_after_line_break &= start == 0;
                out.push_str(&rest[..start]);
                rest = &rest[start..];
            }
            let Some(next) = rest.chars().next() else {
                return;
            };
            self.held.push(next);
            rest = &rest[next.len_utf8()..];
            self.drain(false, out);
        }
    }

    /// Ends the text: an escape that is not complete is text.
    pub(crate) fn finish(&mut self, out: &mut String) {
        self.drain(true, out);
    }

    fn drain(&mut self, is_last: bool, out: &mut String) {
        while !self.held.is_empty() {
            let used = match self.kind.read(&self.held) {
                Decoded::Incomplete if !is_last => return,
                Decoded::Incomplete => {
                    out.push_str(&self.held);
                    self.held.len()
                }
                Decoded::Text(length) => {
                    out.push_str(&self.held[..length]);
                    length
                }
                Decoded::Lone(length) => {
                    out.push('\u{FFFD}');
                    length
                }
                Decoded::Character(character) => {
                    out.push(character);
                    self.held.len()
                }
                Decoded::LineBreak => {
                    if let EscapeKind::Json { line_break } = self.kind
                        && !self.is_after_line_break
                    {
                        out.push_str(line_break);
                    }
                    self.is_after_line_break = true;
                    self.held.clear();
                    return;
                }
            };
            self.is_after_line_break = false;
            self.held.drain(..used);
            if !self.held.starts_with('\\') {
                out.push_str(&self.held);
                self.held.clear();
            }
        }
    }
}

impl EscapeKind {
    /// Reads the escape at the start of `held`, which begins with a backslash.
    fn read(self, held: &str) -> Decoded {
        let mut characters = held.chars().skip(1);
        let Some(letter) = characters.next() else {
            return Decoded::Incomplete;
        };
        let both = 1 + letter.len_utf8();
        match (self, letter) {
            (_, 'u') => self.read_utf16(held),
            (Self::Unicode, 'U') => self.read_scalar(held, 10),
            (Self::Unicode, 'x') => self.read_scalar(held, 4),
            (Self::Unicode, _) => Decoded::Text(both),
            (Self::Json { .. }, '"' | '\\' | '/') => Decoded::Character(letter),
            (Self::Json { .. }, 'n' | 'r') => Decoded::LineBreak,
            (Self::Json { .. }, 't') => Decoded::Character('\t'),
            (Self::Json { .. }, 'b' | 'f') => Decoded::Character(' '),
            (Self::Json { .. }, _) => Decoded::Text(both),
        }
    }

    fn read_utf16(self, held: &str) -> Decoded {
        let Some(first) = hex(held, 2, 6) else {
            return incomplete_or_text(held, 2, 6);
        };
        let is_high = (0xD800..0xDC00).contains(&first);
        if !is_high {
            return match char::from_u32(first) {
                Some(character) => self.character(character, 6),
                None => Decoded::Lone(6),
            };
        }
        let rest = &held[6..];
        if !"\\u".starts_with(&rest[..rest.floor_char_boundary(2)]) {
            return Decoded::Lone(6);
        }
        match hex(rest, 2, 6) {
            Some(second @ 0xDC00..0xE000) => {
                let scalar = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                char::from_u32(scalar).map_or(Decoded::Lone(6), Decoded::Character)
            }
            Some(_) => Decoded::Lone(6),
            None => match incomplete_or_text(rest, 2, 6) {
                Decoded::Incomplete => Decoded::Incomplete,
                _ => Decoded::Lone(6),
            },
        }
    }

    fn read_scalar(self, held: &str, end: usize) -> Decoded {
        match hex(held, 2, end) {
            Some(scalar) => match char::from_u32(scalar) {
                Some(character) => self.character(character, end),
                None => Decoded::Text(end),
            },
            None => incomplete_or_text(held, 2, end),
        }
    }

    /// Outside JSON, an escape may be part of a regular expression or a path: only letters and signs count.
    fn character(self, character: char, length: usize) -> Decoded {
        match self {
            Self::Unicode if u32::from(character) < 0xA0 => Decoded::Text(length),
            // Not a line break of the document.
            _ if character.is_control() => {
                Decoded::Character(if character == '\u{1B}' { '\u{1B}' } else { ' ' })
            }
            _ => Decoded::Character(character),
        }
    }
}

/// The number that the hexadecimal digits from `start` to `end` stand for.
fn hex(held: &str, start: usize, end: usize) -> Option<u32> {
    let digits = held.get(start..end)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

fn incomplete_or_text(held: &str, start: usize, end: usize) -> Decoded {
    let digits = &held.as_bytes()[start.min(held.len())..];
    if held.len() < end && digits.iter().all(u8::is_ascii_hexdigit) {
        Decoded::Incomplete
    } else {
        Decoded::Text(start)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JSON: EscapeKind = EscapeKind::Json { line_break: "\n" };

    fn decode(kind: EscapeKind, text: &str, piece: usize) -> String {
        let (mut escapes, mut out) = (Escapes::new(kind), String::new());
        let characters: Vec<char> = text.chars().collect();
        for piece in characters.chunks(piece) {
            escapes.decode(&piece.iter().collect::<String>(), &mut out);
        }
        escapes.finish(&mut out);
        out
    }

    #[test]
    fn escapes_of_json_are_decoded() {
        for (text, expected) in [
            (r"Stra\u00dfe \u6771\uD83D\ude00.", "Straße 東😀."),
            (r#"\"a\" \\n \/ b\n\r\nc\td\b"#, "\"a\" \\n / b\nc\td "),
            (r"\ud83d \ud83d\u0041 \ude00", "\u{FFFD} \u{FFFD}A \u{FFFD}"),
            (r"\u00 \uzz \q \", r"\u00 \uzz \q \"),
            (r"\u001b[31m\u0000", "\u{1B}[31m "),
        ] {
            for piece in [1, 2, 100] {
                assert_eq!(decode(JSON, text, piece), expected);
            }
        }
    }

    #[test]
    fn escapes_of_other_formats_are_decoded_if_they_are_printable() {
        let text = r#""Gr\xF6\xDFe \u6771 \U0001F600" '[\x00-\x1f\u0000]' C:\users\xampp \\u6771 \n"#;
        let expected = r#""Größe 東 😀" '[\x00-\x1f\u0000]' C:\users\xampp \\u6771 \n"#;
        for piece in [1, 2, 100] {
            assert_eq!(decode(EscapeKind::Unicode, text, piece), expected);
        }
    }

    proptest! {
        #[test]
        fn text_does_not_depend_on_the_pieces(
            text in "(\\\\|u|U|x|n|d83d|de00|[0-9a-f]|é| ){0,40}", piece in 1usize..9,
        ) {
            for kind in [JSON, EscapeKind::Unicode] {
                prop_assert_eq!(decode(kind, &text, piece), decode(kind, &text, usize::MAX));
            }
        }
    }
}
