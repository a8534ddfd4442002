//! Unicode in names: one spelling for each name, and no characters that nobody can see.
//!
//! `é` is one character on Linux and Windows, and `e` with a combining accent on a Mac's file system. Both look the same,
//! so names are stored, compared and filtered in Normalization Form C. The content of documents is never changed.

use std::ops::RangeInclusive;

use unicode_normalization::{UnicodeNormalization, is_nfc};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Joiners, which emoji and several scripts need between two visible characters.
const JOINERS: [char; 2] = ['\u{200C}', '\u{200D}'];

/// Letters and marks that are drawn as nothing, although their categories are those of visible characters.
const BLANK: [char; 8] =
    ['\u{034F}', '\u{115F}', '\u{1160}', '\u{17B4}', '\u{17B5}', '\u{2800}', '\u{3164}', '\u{FFA0}'];

/// Signs of category Format that are drawn, such as the Arabic number sign.
const DRAWN: [RangeInclusive<char>; 7] = [
    '\u{0600}'..='\u{0605}',
    '\u{06DD}'..='\u{06DD}',
    '\u{070F}'..='\u{070F}',
    '\u{0890}'..='\u{0891}',
    '\u{08E2}'..='\u{08E2}',
    '\u{110BD}'..='\u{110BD}',
    '\u{110CD}'..='\u{110CD}',
];

/// Returns the text in Unicode Normalization Form C.
pub fn to_nfc(text: &str) -> String {
    if is_nfc(text) { text.to_owned() } else { text.nfc().collect() }
}

/// Returns the text in Normalization Form C, and in Form D if that differs: what was stored before names were normalised
/// may have either.
pub fn normal_forms(text: &str) -> Vec<String> {
    let composed = to_nfc(text);
    let decomposed: String = text.nfd().collect();
    if composed == decomposed { vec![composed] } else { vec![composed, decomposed] }
}

/// Returns why a name cannot be told apart from another by looking at it, if that is so: it contains an invisible
/// character or one that changes the direction of the text, or nothing visible at all.
pub fn refuse_invisible(name: &str) -> Option<String> {
    let characters: Vec<char> = name.chars().collect();
    let is_joining = |index: usize| {
        let neighbour = |index: Option<usize>| index.and_then(|index| characters.get(index)).copied();
        JOINERS.contains(&characters[index])
            && neighbour(index.checked_sub(1)).is_some_and(is_joined)
            && neighbour(index.checked_add(1)).is_some_and(is_joined)
    };
    let invisible = characters
        .iter()
        .enumerate()
        .find(|(index, character)| is_invisible(**character) && !is_joining(*index));
    if let Some((_, character)) = invisible {
        return Some(format!(
            "contains an invisible or bidirectional control character; visible ones allowed, got U+{:04X} in {name:?}",
            u32::from(*character)
        ));
    }
    (!characters.into_iter().any(is_visible))
        .then(|| format!("without a visible character; at least one needed, got {name:?}"))
}

fn is_invisible(character: char) -> bool {
    use GeneralCategory as Category;
    match character.general_category() {
        Category::Format => !DRAWN.iter().any(|drawn| drawn.contains(&character)),
        Category::LineSeparator | Category::ParagraphSeparator => true,
        _ => BLANK.contains(&character),
    }
}

/// Whether a joiner may stand beside the character: a visible one, or the mark or emoji style that belongs to it.
fn is_joined(character: char) -> bool {
    let is_mark = matches!(
        character.general_category(),
        GeneralCategory::NonspacingMark | GeneralCategory::SpacingMark | GeneralCategory::EnclosingMark
    );
    is_mark || is_visible(character)
}

fn is_visible(character: char) -> bool {
    use GeneralCategory as Category;
    !is_invisible(character)
        && !matches!(
            character.general_category(),
            Category::Control
                | Category::Surrogate
                | Category::Unassigned
                | Category::SpaceSeparator
                | Category::NonspacingMark
                | Category::EnclosingMark
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_spellings_become_one() {
        for (composed, decomposed) in [
            ("caf\u{e9}", "cafe\u{301}"),
            ("\u{fc}/\u{c5}", "u\u{308}/A\u{30a}"),
            ("각", "\u{1100}\u{1161}\u{11a8}"),
        ] {
            assert_ne!(composed, decomposed);
            assert_eq!(to_nfc(decomposed), composed);
            assert_eq!(to_nfc(composed), composed);
            assert_eq!(normal_forms(composed), [composed, decomposed]);
            assert_eq!(normal_forms(decomposed), [composed, decomposed]);
        }
        assert_eq!(normal_forms("a.md"), ["a.md"]);
    }

    #[test]
    fn names_of_any_script_and_emoji_are_fine() {
        for name in [
            "a b.md",
            "été",
            "名前.pdf",
            "שלום",
            "नमस्ते",
            "نامه\u{200c}ها",
            "👩\u{200d}👩\u{200d}👧",
            "🏳\u{fe0f}\u{200d}🌈",
            "क\u{94d}\u{200d}ष",
        ] {
            assert_eq!(refuse_invisible(name), None, "{name:?}");
        }
    }

    #[test]
    fn invisible_and_bidirectional_characters_are_refused_with_their_code() {
        let reasons: Vec<String> = [
            "a\u{202e}fdp.exe",
            "\u{200b}",
            "a\u{200b}b",
            "\u{feff}a",
            "a\u{2066}b\u{2069}",
            "soft\u{ad}hyphen",
            "\u{200d}",
            "a\u{200d}",
            "\u{3164}",
            "\u{2800}",
            "a\u{2028}b",
            "  ",
            "\u{301}",
        ]
        .iter()
        .map(|name| refuse_invisible(name).unwrap_or_else(|| panic!("{name:?} is accepted")))
        .collect();
        insta::assert_snapshot!(reasons.join("\n"), @r#"
        contains an invisible or bidirectional control character; visible ones allowed, got U+202E in "a\u{202e}fdp.exe"
        contains an invisible or bidirectional control character; visible ones allowed, got U+200B in "\u{200b}"
        contains an invisible or bidirectional control character; visible ones allowed, got U+200B in "a\u{200b}b"
        contains an invisible or bidirectional control character; visible ones allowed, got U+FEFF in "\u{feff}a"
        contains an invisible or bidirectional control character; visible ones allowed, got U+2066 in "a\u{2066}b\u{2069}"
        contains an invisible or bidirectional control character; visible ones allowed, got U+00AD in "soft\u{ad}hyphen"
        contains an invisible or bidirectional control character; visible ones allowed, got U+200D in "\u{200d}"
        contains an invisible or bidirectional control character; visible ones allowed, got U+200D in "a\u{200d}"
        contains an invisible or bidirectional control character; visible ones allowed, got U+3164 in "ㅤ"
        contains an invisible or bidirectional control character; visible ones allowed, got U+2800 in "⠀"
        contains an invisible or bidirectional control character; visible ones allowed, got U+2028 in "a\u{2028}b"
        without a visible character; at least one needed, got "  "
        without a visible character; at least one needed, got "\u{301}"
        "#);
    }

    proptest! {
        #[test]
        fn a_normal_form_is_final(text in "\\PC{0,12}") {
            let normal = to_nfc(&text);
            prop_assert_eq!(&to_nfc(&normal), &normal);
            prop_assert!(normal_forms(&text).contains(&normal));
        }
    }
}
