//! The words of a page, in the order in which PDFium has them.

/// What PDFium puts in the place of a hyphen at the end of a line, whose word goes on in the next line.
const LINE_END_HYPHENS: [char; 2] = ['\u{2}', '\u{FFFE}'];

/// A word, or a whole line of a script without spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// The positions of its first and last character on the page.
    pub(super) first: usize,
    pub(super) last: usize,
    /// Whether a line ends before it.
    pub(super) starts_line: bool,
    /// Whether it goes on in the next line.
    pub(super) is_hyphenated: bool,
}

/// Divides the characters of a page, which are UTF-16 code units or whole characters, into words.
pub(super) fn words(values: &[u32]) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut high_surrogate = None;
    let (mut is_word, mut starts_line) = (false, true);
    for (position, value) in values.iter().copied().enumerate() {
        let value = match (high_surrogate.take(), value) {
            (_, 0xD800..=0xDBFF) => {
                high_surrogate = Some(value);
                continue;
            }
            (Some(high), 0xDC00..=0xDFFF) => 0x1_0000 + ((high - 0xD800) << 10) + (value - 0xDC00),
            _ => value,
        };
        let Some(character) = char::from_u32(value).filter(|character| *character != '\0') else { continue };
        if LINE_END_HYPHENS.contains(&character) {
            if let Some(word) = words.last_mut().filter(|_| is_word) {
                word.is_hyphenated = true;
            }
        } else if character.is_whitespace() {
            is_word = false;
            starts_line |= matches!(character, '\n' | '\r');
        } else if let Some(word) = words.last_mut().filter(|_| is_word) {
            word.text.push(character);
            word.last = position;
            word.is_hyphenated = false;
        } else {
            let text = character.to_string();
            words.push(Word { text, first: position, last: position, starts_line, is_hyphenated: false });
            (is_word, starts_line) = (true, false);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(String, bool, bool)> {
        let values: Vec<u32> = text.encode_utf16().map(u32::from).collect();
        words(&values).into_iter().map(|word| (word.text, word.starts_line, word.is_hyphenated)).collect()
    }

    #[test]
    fn words_know_their_lines_and_hyphens() {
        let word = |text: &str, starts_line, is_hyphenated| (text.to_owned(), starts_line, is_hyphenated);
        assert_eq!(
            shown(" exam\u{2}\r\nple of\ta\u{FFFE}\nwell-known \r\n"),
            [
                word("exam", true, true),
                word("ple", true, false),
                word("of", false, false),
                word("a", false, true),
                word("well-known", true, false)
            ]
        );
    }

    #[test]
    fn surrogates_are_joined_and_lone_ones_left_out() {
        assert_eq!(shown("a😀b")[0].0, "a😀b");
        let word = words(&[0x61, 0xD83D, 0x62, 0xDE00, 0x1F600, 0]).remove(0);
        assert_eq!((word.text.as_str(), word.first, word.last), ("ab😀", 0, 4));
        assert_eq!(words(&[]), []);
    }
}
