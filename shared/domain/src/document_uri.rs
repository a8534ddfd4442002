//! URIs that clients give to documents they push.

use thiserror::Error;

use crate::names::{refuse_invisible, to_nfc};

/// Schemes of URIs that the program gives itself, to uploads, to what sources list and to tombstones: a client cannot
/// push into them. Schemes of web pages are not among them: a page has one URI, whoever brings it.
const RESERVED_SCHEMES: [&str; 12] = [
    "file",
    "git",
    "git+https",
    "git+ssh",
    "github",
    "imap",
    "imaps",
    "purged",
    "s3",
    "slack",
    "ssh",
    "upload",
];

/// The URI of a pushed document, unique in its collection: absolute, as RFC 3986 has it, or with characters of other
/// scripts (RFC 3987). The scheme is in lower case, the rest as the client wrote it, in Normalization Form C.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentUri(String);

/// Why a URI is refused: what is wrong with it, to be read after the field's name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct DocumentUriError(String);

impl DocumentUri {
    /// Maximum length of a URI in bytes.
    pub const MAX_BYTES: usize = 2048;

    /// Validates a URI.
    ///
    /// # Errors
    /// Returns the reason if it is refused.
    pub fn parse(text: &str) -> Result<Self, DocumentUriError> {
        let uri = to_nfc(text);
        if uri.len() > Self::MAX_BYTES {
            return Err(DocumentUriError(format!(
                "too long; at most {} bytes in UTF-8 allowed, got {}",
                Self::MAX_BYTES,
                uri.len()
            )));
        }
        let (scheme, rest) = uri.split_once(':').unwrap_or_default();
        if !is_scheme(scheme) || rest.trim_start_matches('/').is_empty() {
            return Err(DocumentUriError(format!(
                "not an absolute URI; a scheme and a path allowed, for example \"crm://tickets/17\", got {text:?}"
            )));
        }
        if let Some(character) = rest.chars().find(|character| !is_allowed(*character)) {
            return Err(DocumentUriError(format!(
                "contains {character:?}; only characters of URIs allowed, others percent-encoded, got {text:?}"
            )));
        }
        if let Some(position) = rest.match_indices('%').find(|(at, _)| !is_encoded(&rest[at + 1..])) {
            let part: String = rest[position.0..].chars().take(3).collect();
            return Err(DocumentUriError(format!(
                "contains {part:?}; two hexadecimal digits allowed after '%', got {text:?}"
            )));
        }
        if let Some(reason) = refuse_invisible(rest) {
            return Err(DocumentUriError(reason));
        }
        let scheme = scheme.to_ascii_lowercase();
        if RESERVED_SCHEMES.contains(&scheme.as_str()) {
            return Err(DocumentUriError(format!(
                "the scheme {scheme:?} belongs to documents that are not pushed; any scheme but {} allowed, got {text:?}",
                RESERVED_SCHEMES.join(", ")
            )));
        }
        Ok(Self(format!("{scheme}:{rest}")))
    }

    /// Returns the URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the URI without its scheme: the path of the document within its source.
    pub fn path(&self) -> &str {
        let rest = self.0.split_once(':').map_or("", |(_, rest)| rest);
        rest.trim_start_matches('/')
    }

    /// Returns whether it is the address of a web page.
    pub fn is_web_address(&self) -> bool {
        ["https://", "http://"].iter().any(|prefix| self.0.starts_with(prefix))
    }
}

impl std::fmt::Display for DocumentUri {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// `ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )`.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn is_allowed(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(character);
    }
    !character.is_whitespace() && !character.is_control()
}

fn is_encoded(after_percent: &str) -> bool {
    let digits = after_percent.as_bytes().get(..2);
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_absolute_uri_of_a_client_is_fine() {
        for (uri, path) in [
            ("crm://tickets/17", "tickets/17"),
            ("https://wiki.example.org/page?id=5#top", "wiki.example.org/page?id=5#top"),
            ("urn:isbn:9780141036144", "isbn:9780141036144"),
            ("note:a", "a"),
            ("erp+v2://名前/a%20b", "名前/a%20b"),
        ] {
            let parsed = DocumentUri::parse(uri).unwrap();
            assert_eq!((parsed.as_str(), parsed.path()), (uri, path));
        }
        let long = format!("crm:{}", "a".repeat(2044));
        assert_eq!(DocumentUri::parse(&long).unwrap().as_str(), long);
    }

    #[test]
    fn spellings_of_one_uri_are_one() {
        let [composed, decomposed] =
            ["crm://caf\u{e9}", "CRM://cafe\u{301}"].map(|uri| DocumentUri::parse(uri).unwrap());
        assert_eq!(composed, decomposed);
    }

    #[test]
    fn whatever_is_no_uri_of_a_client_is_refused_with_the_reason() {
        let reasons: Vec<String> = [
            "",
            "tickets/17",
            "crm:",
            "crm://",
            "7crm://a",
            "crm://a b",
            "crm://a\u{0}",
            "crm://a%2",
            "crm://a\u{200b}b",
            "UPLOAD://a.txt",
            "purged:0",
            &format!("crm:{}", "a".repeat(2045)),
        ]
        .iter()
        .map(|uri| DocumentUri::parse(uri).unwrap_err().to_string())
        .collect();
        insta::assert_snapshot!(reasons.join("\n"), @r#"
        not an absolute URI; a scheme and a path allowed, for example "crm://tickets/17", got ""
        not an absolute URI; a scheme and a path allowed, for example "crm://tickets/17", got "tickets/17"
        not an absolute URI; a scheme and a path allowed, for example "crm://tickets/17", got "crm:"
        not an absolute URI; a scheme and a path allowed, for example "crm://tickets/17", got "crm://"
        not an absolute URI; a scheme and a path allowed, for example "crm://tickets/17", got "7crm://a"
        contains ' '; only characters of URIs allowed, others percent-encoded, got "crm://a b"
        contains '\0'; only characters of URIs allowed, others percent-encoded, got "crm://a\0"
        contains "%2"; two hexadecimal digits allowed after '%', got "crm://a%2"
        contains an invisible or bidirectional control character; visible ones allowed, got U+200B in "//a\u{200b}b"
        the scheme "upload" belongs to documents that are not pushed; any scheme but file, git, git+https, git+ssh, github, imap, imaps, purged, s3, slack, ssh, upload allowed, got "UPLOAD://a.txt"
        the scheme "purged" belongs to documents that are not pushed; any scheme but file, git, git+https, git+ssh, github, imap, imaps, purged, s3, slack, ssh, upload allowed, got "purged:0"
        too long; at most 2048 bytes in UTF-8 allowed, got 2049
        "#);
    }
}
