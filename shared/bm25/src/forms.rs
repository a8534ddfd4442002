//! The forms of a word under which it is found.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

use crate::alphabet::Alphabet;

/// Returns a normalized word in lower case. Letters that differ only by their place in a word or by tradition are
/// one: ß is ss, ς is σ.
pub(crate) fn lower(word: &str) -> Cow<'_, str> {
    if word.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Cow::Borrowed(word);
    }
    if word.is_ascii() {
        return Cow::Owned(word.to_ascii_lowercase());
    }
    let mut lower = String::with_capacity(word.len());
    for character in word.chars() {
        match character {
            'ß' | 'ẞ' => lower.push_str("ss"),
            'ς' => lower.push('σ'),
            'İ' => lower.push('i'),
            _ => lower.extend(character.to_lowercase()),
        }
    }
    Cow::Owned(lower)
}

/// Returns a word in lower case without accents, or `None` if it has none. Marks that make another letter (those of
/// Kana and of Indic scripts) stay.
pub(crate) fn without_accents(word: &str) -> Option<String> {
    if word.is_ascii()
        || !matches!(
            Alphabet::of(word),
            Some(Alphabet::Latin | Alphabet::Greek | Alphabet::Cyrillic | Alphabet::Arabic)
        )
    {
        return None;
    }
    let mut plain = String::with_capacity(word.len());
    for character in word.nfd() {
        match character {
            '\u{300}'..='\u{36f}' | '\u{653}'..='\u{655}' => {}
            'ø' => plain.push('o'),
            'ł' => plain.push('l'),
            'đ' | 'ð' => plain.push('d'),
            'ħ' => plain.push('h'),
            'ı' => plain.push('i'),
            'æ' => plain.push_str("ae"),
            'œ' => plain.push_str("oe"),
            'þ' => plain.push_str("th"),
            _ => plain.push(character),
        }
    }
    (plain != word).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_accents_are_folded() {
        assert_eq!(
            (lower("GROẞE Straße").as_ref(), lower("ΟΔΟΣ").as_ref(), lower("tide").as_ref()),
            ("grosse strasse", "οδοσ", "tide")
        );
        assert_eq!(without_accents("fjärðarø").as_deref(), Some("fjardaro"));
        assert_eq!(without_accents("ёлка").as_deref(), Some("елка"));
        assert_eq!(without_accents("أمواج").as_deref(), Some("امواج"));
        for plain in ["tide", "стена", "हिन्दी", "ガ"] {
            assert_eq!(without_accents(plain), None);
        }
    }
}
