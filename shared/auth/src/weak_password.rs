//! Passwords that are guessed first: the most common ones, and the user's own name.
//!
//! The list is that of Django 5.2 (`common-passwords.txt`, the 20,000 most common passwords of known leaks by Royce
//! Williams) without those of fewer than eight characters, which no account can have. See `lists/LICENSE.django`.

use std::fmt;

const COMMON: &str = include_str!("../lists/common_passwords.txt");

/// Names with fewer letters and digits occur in good passwords.
const MIN_NAME_CHARS: usize = 3;

/// Why a password is guessed first. Its text continues "the password ...".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeakPassword {
    /// It is one of the most common passwords.
    Common,
    /// It repeats one character, or is blank.
    Repeated,
    /// It is a name of its user, perhaps with digits or punctuation.
    Personal,
}

impl fmt::Display for WeakPassword {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Common => {
                "is one of the most common passwords; any other password allowed, such as several words"
            }
            Self::Repeated => "repeats one character; at least two different characters allowed",
            Self::Personal => {
                "is the user's own name or email address; one that cannot be guessed from them allowed"
            }
        })
    }
}

/// Returns why the password is guessed first; `None` if there is no such reason. `names` are the user's names and
/// email address.
pub fn find_weakness(password: &str, names: &[&str]) -> Option<WeakPassword> {
    let mut characters = password.chars();
    let first = characters.next();
    if characters.all(|character| Some(character) == first) {
        return Some(WeakPassword::Repeated);
    }
    let folded = password.to_lowercase();
    if COMMON.lines().any(|common| common == folded) {
        return Some(WeakPassword::Common);
    }
    let letters = alphanumeric(&folded);
    let is_personal = |name: &str| {
        let name = alphanumeric(&name.to_lowercase());
        // With the name taken out, no letter is left.
        name.chars().count() >= MIN_NAME_CHARS
            && letters.contains(&name)
            && !letters.replace(&name, "").chars().any(char::is_alphabetic)
    };
    let local_parts = names.iter().filter_map(|name| Some(name.rsplit_once('@')?.0));
    names.iter().copied().chain(local_parts).any(is_personal).then_some(WeakPassword::Personal)
}

fn alphanumeric(text: &str) -> String {
    text.chars().filter(|character| character.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["ada_lovelace", "countess@example.org", "Ada Lovelace"];

    #[test]
    fn common_passwords_are_weak_in_any_case() {
        for password in
            ["password", "12345678", "PASSWORD1", "qwertyuiop", "Sunshine", "trustno1", "letmein1"]
        {
            assert_eq!(find_weakness(password, &NAMES), Some(WeakPassword::Common), "{password}");
        }
    }

    #[test]
    fn one_character_many_times_is_weak() {
        for password in
            ["        ", "éééééééé", "\u{3000}\u{3000}\u{3000}\u{3000}\u{3000}\u{3000}\u{3000}\u{3000}"]
        {
            assert_eq!(find_weakness(password, &[]), Some(WeakPassword::Repeated), "{password:?}");
        }
    }

    #[test]
    fn names_are_weak_with_digits_and_punctuation_too() {
        for password in [
            "ada_lovelace",
            "AdaLovelace!",
            "ada.lovelace1815",
            "countess@example.org",
            "countess99",
            "2024-Countess",
        ] {
            assert_eq!(find_weakness(password, &NAMES), Some(WeakPassword::Personal), "{password}");
        }
    }

    #[test]
    fn other_passwords_are_not_refused() {
        for password in ["correct horse battery", "ada likes tides", "lovelace engine", "k3#fT9 zQ"] {
            assert_eq!(find_weakness(password, &NAMES), None, "{password}");
        }
        // Too short a name is no reason.
        assert_eq!(find_weakness("aaba1234", &["a", "b"]), None);
    }

    #[test]
    fn the_list_is_folded_sorted_and_has_nothing_that_is_refused_for_its_length() {
        let listed: Vec<&str> = COMMON.lines().collect();
        assert!(listed.len() > 8000, "{}", listed.len());
        assert!(listed.is_sorted_by(|one, next| one < next));
        assert!(listed.iter().all(|word| word.chars().count() >= 8 && word.to_lowercase() == **word));
    }
}
