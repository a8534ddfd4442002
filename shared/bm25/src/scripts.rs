//! Scripts whose words are not separated by spaces.

/// Characters of one script, or of scripts that form words together, in which words are found by bigrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unspaced {
    /// Chinese characters and Hiragana.
    Han,
    Katakana,
    /// Words have spaces between them, and particles attached.
    Hangul,
    Thai,
    Lao,
    Myanmar,
    Khmer,
}

impl Unspaced {
    /// Returns the script of a character, or `None` if it belongs to no such script or to no word.
    pub(crate) fn of(character: char) -> Option<Self> {
        match character {
            ..='\u{e00}' => None,
            '\u{e01}'..='\u{e3a}' | '\u{e40}'..='\u{e4e}' => Some(Self::Thai),
            '\u{e81}'..='\u{ece}' | '\u{edc}'..='\u{edf}' => Some(Self::Lao),
            '\u{1000}'..='\u{103f}' | '\u{1050}'..='\u{108f}' | '\u{109a}'..='\u{109d}' => {
                Some(Self::Myanmar)
            }
            '\u{1780}'..='\u{17d3}' => Some(Self::Khmer),
            '\u{3041}'..='\u{309f}' | '\u{3005}' | '\u{3007}' => Some(Self::Han),
            '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' => Some(Self::Han),
            '\u{20000}'..='\u{323af}' => Some(Self::Han),
            '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' => {
                Some(Self::Katakana)
            }
            '\u{1100}'..='\u{11ff}' | '\u{ac00}'..='\u{d7ff}' => Some(Self::Hangul),
            _ => None,
        }
    }

    /// Returns whether a single character is often a word of its own.
    pub(crate) fn has_short_words(self) -> bool {
        matches!(self, Self::Han | Self::Hangul)
    }
}

/// Returns whether a character is a Hiragana, in which endings and particles are written.
pub(crate) fn is_hiragana(character: char) -> bool {
    matches!(character, '\u{3041}'..='\u{309f}')
}
