//! Removes the escape sequences by which terminals colour and move text (ECMA-48), streaming.

const ESCAPE: char = '\u{1B}';

/// The one-character form of `ESC [`.
const CONTROL_SEQUENCE: char = '\u{9B}';

/// A longer control sequence is none: its characters are text.
const MAX_CONTROL_BYTES: usize = 64;

/// A longer string, such as the target of a link, is none.
const MAX_STRING_BYTES: usize = 2048;

/// Removes escape sequences from text.
#[derive(Debug)]
pub(crate) struct EscapeSequences {
    state: State,
    /// What has been read of a sequence, without the escape character. It is text if the sequence is none.
    held: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// After an escape character.
    Escape,
    /// `ESC` and characters such as `(`, which one more ends.
    Intermediate,
    /// `ESC [`, ended by a letter.
    Control,
    /// `ESC ]` and similar, ended by BEL or `ESC \`.
    ControlString {
        is_after_escape: bool,
    },
}

impl EscapeSequences {
    pub(crate) fn new() -> Self {
        Self { state: State::Text, held: String::new() }
    }

    /// Appends the text without escape sequences to `out`.
    pub(crate) fn remove(&mut self, text: &str, out: &mut String) {
        let mut rest = text;
        while !rest.is_empty() {
            if self.state == State::Text {
                let start = find_start(rest).unwrap_or(rest.len());
                out.push_str(&rest[..start]);
                rest = &rest[start..];
                let Some(first) = rest.chars().next() else {
                    return;
                };
                self.state = if first == ESCAPE { State::Escape } else { State::Control };
                rest = &rest[first.len_utf8()..];
            } else if let Some(character) = rest.chars().next() {
                if self.step(character) {
                    rest = &rest[character.len_utf8()..];
                } else {
                    self.give_back(out);
                }
            }
        }
    }

    /// Ends the text.
    pub(crate) fn finish(&mut self, out: &mut String) {
        self.give_back(out);
    }

    fn give_back(&mut self, out: &mut String) {
        out.push_str(&self.held);
        self.held.clear();
        self.state = State::Text;
    }

    /// Reads one character of a sequence. Returns false if it does not belong to one.
    fn step(&mut self, character: char) -> bool {
        let next = match (self.state, character) {
            (State::Escape, '[') => State::Control,
            (State::Escape, ']' | 'P' | 'X' | '^' | '_') => State::ControlString { is_after_escape: false },
            (State::Escape | State::Intermediate, ' '..='/') => State::Intermediate,
            (State::Escape | State::Intermediate, '0'..='~') => State::Text,
            (State::Control, ' '..='?') if self.held.len() < MAX_CONTROL_BYTES => State::Control,
            (State::Control, '@'..='~') => State::Text,
            (State::ControlString { .. }, '\u{7}' | '\u{9C}')
            | (State::ControlString { is_after_escape: true }, '\\') => State::Text,
            (State::ControlString { is_after_escape: true }, _) => return false,
            (State::ControlString { .. }, ESCAPE) => State::ControlString { is_after_escape: true },
            (State::ControlString { .. }, '\n') => return false,
            (State::ControlString { .. }, _) if self.held.len() < MAX_STRING_BYTES => {
                State::ControlString { is_after_escape: false }
            }
            _ => return false,
        };
        self.state = next;
        if next == State::Text {
            self.held.clear();
        } else if character != ESCAPE {
            self.held.push(character);
        }
        true
    }
}

/// Finds the first character that may begin a sequence.
fn find_start(text: &str) -> Option<usize> {
    let mut candidates = memchr::memchr2_iter(0x1B, 0xC2, text.as_bytes());
    candidates.find(|position| text[*position..].starts_with([ESCAPE, CONTROL_SEQUENCE]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn remove(text: &str, piece: usize) -> String {
        let (mut sequences, mut out) = (EscapeSequences::new(), String::new());
        let characters: Vec<char> = text.chars().collect();
        for piece in characters.chunks(piece) {
            sequences.remove(&piece.iter().collect::<String>(), &mut out);
        }
        sequences.finish(&mut out);
        out
    }

    #[test]
    fn sequences_are_removed_and_the_text_between_them_stays() {
        for (text, expected) in [
            ("\u{1B}[1;31mFATAL\u{1B}[0m: pump", "FATAL: pump"),
            ("\u{9B}38;5;208mhot\u{9B}m", "hot"),
            ("\u{1B}]0;title\u{7}\u{1B}]8;;https://x.y/z\u{1B}\\link\u{1B}]8;;\u{1B}\\", "link"),
            ("\u{1B}(B\u{1B}7\u{1B}=\u{1B}Pq#0\u{1B}\\x\u{1B}[?25l\u{1B}[2 qy", "xy"),
        ] {
            for piece in [1, 2, 100] {
                assert_eq!(remove(text, piece), expected);
            }
        }
    }

    #[test]
    fn escape_character_without_a_sequence_removes_nothing_else() {
        assert_eq!(remove("a\u{1B}\nb", 1), "a\nb");
        assert_eq!(remove("a\u{1B}[31\nb", 1), "a[31\nb");
        assert_eq!(remove("a\u{1B}]never ended\nb", 1), "a]never ended\nb");
        assert_eq!(remove("a\u{1B}[31", 1), "a[31");
        assert_eq!(remove("25\u{A0}°C", 1), "25\u{A0}°C");
        let long = "1".repeat(5000);
        assert_eq!(remove(&format!("\u{1B}[{long}"), 7), format!("[{long}"));
        assert_eq!(remove(&format!("\u{1B}]{long}"), 7), format!("]{long}"));
    }

    proptest! {
        #[test]
        fn text_does_not_depend_on_the_pieces(
            text in "(\u{1B}|\u{9B}|\\[|\\]|\\\\|;|[0-9a-z]|\n|\u{7}|é){0,60}", piece in 1usize..9,
        ) {
            prop_assert_eq!(remove(&text, piece), remove(&text, usize::MAX));
        }
    }
}
