//! The text of a page from its characters.

/// What PDFium puts in the place of a hyphen at the end of a line, whose word goes on in the next line.
const LINE_END_HYPHENS: [char; 2] = ['\u{2}', '\u{FFFE}'];

/// Joins the characters of a page, which are UTF-16 code units or whole characters, in the order of the page.
pub(super) fn assemble(characters: impl Iterator<Item = u32>) -> String {
    let mut text = String::new();
    let mut high_surrogate = None;
    // Whether a hyphen was removed: the line end after it goes, too.
    let mut joins_lines = false;
    for value in characters {
        let character = match (high_surrogate.take(), value) {
            (_, 0xD800..=0xDBFF) => {
                high_surrogate = Some(value);
                continue;
            }
            (Some(high), 0xDC00..=0xDFFF) => 0x10000 + ((high - 0xD800) << 10) + (value - 0xDC00),
            _ => value,
        };
        let Some(character) = char::from_u32(character) else { continue };
        match character {
            '\0' | '\r' => {}
            hyphen if LINE_END_HYPHENS.contains(&hyphen) => joins_lines = true,
            '\n' if joins_lines => joins_lines = false,
            '\n' => {
                let line = text.trim_end_matches(' ').len();
                text.truncate(line);
                text.push('\n');
            }
            other => {
                joins_lines = false;
                text.push(other);
            }
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assembled(text: &str) -> String {
        assemble(text.encode_utf16().map(u32::from))
    }

    #[test]
    fn hyphenated_words_are_joined() {
        assert_eq!(assembled("exam\u{2}\r\nple of a\u{FFFE}\nword"), "example of aword\n");
        assert_eq!(assembled("well-known \r\nline"), "well-known\nline\n");
    }

    #[test]
    fn surrogates_are_joined_and_lone_ones_left_out() {
        assert_eq!(assembled("a😀b"), "a😀b\n");
        assert_eq!(assemble([0x61, 0xD83D, 0x62, 0xDE00, 0x1F600, 0].into_iter()), "ab😀\n");
        assert_eq!(assemble(std::iter::empty()), "");
    }
}
