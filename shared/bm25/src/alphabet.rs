//! The alphabets of the languages that have stems.

/// An alphabet of at least one of the languages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alphabet {
    Latin,
    Cyrillic,
    Greek,
    Armenian,
    Arabic,
    Devanagari,
    Tamil,
}

impl Alphabet {
    pub(crate) const ALL: [Self; 7] = [
        Self::Latin,
        Self::Cyrillic,
        Self::Greek,
        Self::Armenian,
        Self::Arabic,
        Self::Devanagari,
        Self::Tamil,
    ];

    /// Returns the alphabet of a word, by its first letter.
    pub(crate) fn of(word: &str) -> Option<Self> {
        let letter = word.chars().find(|character| character.is_alphabetic())?;
        match letter {
            ..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Some(Self::Latin),
            '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some(Self::Greek),
            '\u{400}'..='\u{52f}' => Some(Self::Cyrillic),
            '\u{530}'..='\u{58f}' => Some(Self::Armenian),
            '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' => Some(Self::Arabic),
            '\u{900}'..='\u{97f}' => Some(Self::Devanagari),
            '\u{b80}'..='\u{bff}' => Some(Self::Tamil),
            _ => None,
        }
    }
}
