//! The parts of words that are more than a word: names in programs, versions, numbers with units.

use std::ops::Range;

/// A word with more parts than this is not a name but data, for example a checksum.
const MAX_PARTS: usize = 8;

/// Returns the ranges of a word's parts, or nothing if it has one part only. Parts are separated by punctuation
/// (`_`, `:`, `.`), where small letters are followed by a capital one, and where letters meet digits. A number
/// keeps its points and commas.
pub(crate) fn parts(word: &str) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for (at, character) in word.char_indices() {
        let mut before = word[start..at].chars().rev();
        let Some(last) = before.next() else {
            if is_separator(character) {
                start = at + character.len_utf8();
            }
            continue;
        };
        let after = word[at + character.len_utf8()..].chars().next();
        if is_separator(character) {
            if !(last.is_ascii_digit()
                && after.is_some_and(|next| next.is_ascii_digit())
                && is_numeric(character))
            {
                parts.push(start..at);
                start = at + character.len_utf8();
            }
        } else if is_border(before.next(), last, character, after) {
            parts.push(start..at);
            start = at;
        }
    }
    if start < word.len() {
        parts.push(start..word.len());
    }
    if parts.len() > MAX_PARTS || parts.first().is_some_and(|part| *part == (0..word.len())) {
        return Vec::new();
    }
    parts
}

/// Returns whether a part begins at `next`, which follows `last`.
fn is_border(before_last: Option<char>, last: char, next: char, after: Option<char>) -> bool {
    if last.is_ascii_digit() != next.is_ascii_digit() {
        return !is_separator(last);
    }
    if !next.is_uppercase() {
        // The P of HTTPResponse: the last capital letter begins a word, but for the plural in PDFs.
        return false;
    }
    let ends_capitals = last.is_uppercase()
        && after.is_some_and(char::is_lowercase)
        && (after != Some('s') || before_last.is_none());
    last.is_lowercase() || ends_capitals
}

fn is_separator(character: char) -> bool {
    matches!(character, '_' | ':' | '.' | ',' | ';' | '\'' | '·' | '\u{203f}' | '\u{2024}' | '\u{387}')
}

/// Returns whether a character may separate the digits of a number or the numbers of a version.
fn is_numeric(separator: char) -> bool {
    matches!(separator, '.' | ',' | '\'')
}

/// Calls `found` with the other forms of a number: without separators of thousands, its integer part, with a decimal
/// point instead of a comma, and the beginnings of a version or an address.
pub(crate) fn number_forms(number: &str, mut found: impl FnMut(&str)) {
    let is_number = number.starts_with(|first: char| first.is_ascii_digit())
        && number.chars().all(|character| character.is_ascii_digit() || is_numeric(character));
    let separators: Vec<(usize, char)> =
        number.char_indices().filter(|(_, character)| is_numeric(*character)).collect();
    let (true, [(_, first), .., (last_at, last)] | [(last_at, first @ last)]) =
        (is_number, separators.as_slice())
    else {
        return;
    };
    let (integer, fraction) = (&number[..*last_at], &number[last_at + 1..]);
    let are_equal = separators.iter().all(|(_, separator)| separator == first);
    match (first, last) {
        // 1,234.5 and 1.234,5
        _ if !are_equal => {
            if let Some(integer) = without_thousands(integer) {
                found(&format!("{integer}.{fraction}"));
                found(&integer);
            }
        }
        // 1.234 is more often a fraction, and 1.234.567 may be a version.
        ('.', _) => {
            separators[1..].iter().for_each(|(at, _)| found(&number[..*at]));
            if separators.len() > 1
                && let Some(integer) = without_thousands(number)
            {
                found(&integer);
            }
        }
        _ => match without_thousands(number) {
            Some(integer) => found(&integer),
            None if separators.len() == 1 => found(&format!("{integer}.{fraction}")),
            None => {}
        },
    }
}

/// Returns a number without the separators of its thousands, or `None` if the groups of digits are others.
fn without_thousands(number: &str) -> Option<String> {
    let (first, rest) = number.split_once(is_numeric)?;
    let are_thousands =
        (1..=3).contains(&first.len()) && rest.split(is_numeric).all(|group| group.len() == 3);
    are_thousands.then(|| number.chars().filter(char::is_ascii_digit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts_of(word: &str) -> Vec<&str> {
        parts(word).into_iter().map(|part| &word[part]).collect()
    }

    #[test]
    fn names_are_split_at_capitals_digits_and_punctuation() {
        assert_eq!(parts_of("openTideTable"), ["open", "Tide", "Table"]);
        assert_eq!(parts_of("XMLReader"), ["XML", "Reader"]);
        assert_eq!(parts_of("tide_level.rs"), ["tide", "level", "rs"]);
        assert_eq!(parts_of("75cm"), ["75", "cm"]);
        assert_eq!(parts_of("v4.17.0"), ["v", "4.17.0"]);
        assert_eq!(parts_of("__init__"), ["init"]);
        for whole in ["tide", "Tide", "HTTP", "URLs", "3.14", "größe", ""] {
            assert_eq!(parts(whole), [], "{whole}");
        }
        assert_eq!(parts(&"a1".repeat(40)), []);
    }

    #[test]
    fn numbers_have_other_forms() {
        let forms = |number| {
            let mut found = Vec::new();
            number_forms(number, |form| found.push(form.to_owned()));
            found
        };
        assert_eq!(forms("7,654,321.5"), ["7654321.5", "7654321"]);
        assert_eq!(forms("7.654.321,5"), ["7654321.5", "7654321"]);
        assert_eq!(forms("7,654"), ["7654"]);
        assert_eq!(forms("1'234'567"), ["1234567"]);
        assert_eq!(forms("1.234.567"), ["1.234", "1234567"]);
        assert_eq!(forms("3,14"), ["3.14"]);
        assert_eq!(forms("4.17.0"), ["4.17"]);
        assert_eq!(forms("10.20.30.40"), ["10.20", "10.20.30"]);
        assert!(forms("3.14").is_empty() && forms("2024").is_empty() && forms("a.1").is_empty());
    }
}
