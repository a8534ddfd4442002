//! What names, email addresses and passwords accounts may have. Messages follow the grammar of field errors:
//! `<what is wrong>; <what is allowed>, got <value>`.

use std::ops::RangeInclusive;

use crate::find_weakness;

/// The length of a username.
const USERNAME_CHARS: RangeInclusive<usize> = 3..=64;
/// The length of an email address, in bytes.
const MAX_EMAIL_BYTES: usize = 254;
const MIN_PASSWORD_CHARS: usize = 8;
/// The maximum length of a password in characters; bounds the cost of hashing.
pub const MAX_PASSWORD_CHARS: usize = 1024;

/// Returns what is wrong with a username.
pub fn username_problems(username: &str) -> Vec<String> {
    let mut problems: Vec<String> = length_problem(username, &USERNAME_CHARS).into_iter().collect();
    if !is_plain(username) {
        problems.push(format!(
            "wrong characters; ASCII letters, digits and underscores allowed, got {username:?}"
        ));
    }
    problems
}

/// Returns whether an account can have this username.
pub fn is_username(text: &str) -> bool {
    is_plain(text) && text.len() <= *USERNAME_CHARS.end()
}

fn is_plain(username: &str) -> bool {
    username.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Returns what is wrong with an email address.
pub fn email_problem(email: &str) -> Option<String> {
    let wrong = || format!("wrong format; an email address like ada@example.org allowed, got {email:?}");
    (!is_email(email.trim())).then(wrong)
}

/// Returns what is wrong with a new password: its length, or that it is guessed first. `names` are the user's names and
/// email address.
pub fn password_problem(password: &str, names: &[&str]) -> Option<String> {
    length_problem(password, &(MIN_PASSWORD_CHARS..=MAX_PASSWORD_CHARS))
        .or_else(|| find_weakness(password, names).map(|weakness| weakness.to_string()))
}

fn length_problem(text: &str, allowed: &RangeInclusive<usize>) -> Option<String> {
    let (characters, least, most) = (text.chars().count(), allowed.start(), allowed.end());
    let wrong = || format!("wrong length; {least} to {most} characters allowed, got {characters}");
    (!allowed.contains(&characters)).then(wrong)
}

/// Returns whether the text has the form of an email address. Deliberately lenient: only a delivered message
/// proves that an address exists.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let is_bad = |character: char| character.is_whitespace() || character.is_control() || character == '@';
    let labels_are_full = domain.split('.').all(|label| !label.is_empty());
    text.len() <= MAX_EMAIL_BYTES
        && !local.is_empty()
        && domain.contains('.')
        && labels_are_full
        && !local.contains(is_bad)
        && !domain.contains(is_bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_addresses_are_recognised() {
        for good in ["ada@example.org", "a+b.c@sub.example.co", "ä@exämple.org"] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@example",
            "a b@example.org",
            "a@@example.org",
            "ada@example..org",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
