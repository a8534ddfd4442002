//! The headers of a mail that its document is listed with.

use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use chrono::{DateTime, FixedOffset};
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// The headers to ask a server for.
pub(super) const WANTED: &str = "DATE FROM TO SUBJECT MESSAGE-ID CONTENT-TYPE";

/// Encoders disagree on padding, and on the last bits.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The headers of one mail.
#[derive(Debug, Clone, Default)]
pub(super) struct Headers(Vec<(String, String)>);

impl Headers {
    /// Reads the lines of a header, which may be cut off. The first of several headers with a name counts.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let text = decode_bytes(bytes);
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            if line.is_empty() {
                break;
            }
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = headers.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            } else if let Some((name, value)) = line.split_once(':') {
                headers.push((name.trim_end().to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
        Self(headers)
    }

    fn value(&self, name: &str) -> Option<&str> {
        let header = self.0.iter().find(|(own, _)| own == name);
        header.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The subject in one line.
    pub(super) fn subject(&self) -> Option<String> {
        let subject = one_line(&decode_words(self.value("subject")?));
        (!subject.is_empty()).then_some(subject)
    }

    /// Between its angle brackets.
    pub(super) fn message_id(&self) -> Option<&str> {
        let value = self.value("message-id")?;
        let inner = value.split_once('<').map_or(value, |(_, rest)| rest);
        let id = inner.split_once('>').map_or(inner, |(id, _)| id).trim();
        (!id.is_empty() && !id.chars().any(|c| c.is_control() || c.is_whitespace())).then_some(id)
    }

    pub(super) fn date(&self) -> Option<DateTime<FixedOffset>> {
        DateTime::parse_from_rfc2822(self.value("date")?).ok()
    }

    /// The addresses of a header such as `from`, without names, in small letters.
    pub(super) fn addresses(&self, name: &str) -> Vec<String> {
        addresses(self.value(name).unwrap_or_default())
    }

    /// Whether nobody but the recipient can read the text: OpenPGP (RFC 3156) and S/MIME (RFC 8551).
    pub(super) fn is_encrypted(&self) -> bool {
        let declared = self.value("content-type").unwrap_or_default().to_ascii_lowercase();
        let kind = declared.split(';').next().unwrap_or_default().trim();
        match kind {
            "multipart/encrypted" => true,
            "application/pkcs7-mime" | "application/x-pkcs7-mime" => {
                !["signed-data", "certs-only", "compressed-data"].iter().any(|other| declared.contains(other))
            }
            _ => false,
        }
    }
}

/// Replaces what separates lines and what cannot be seen, and joins spaces.
pub(super) fn one_line(text: &str) -> String {
    let spaced = text.replace(|character: char| character.is_control() || character == '\u{fffd}', " ");
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// UTF-8 (RFC 6532), or what old clients mean.
fn decode_bytes(bytes: &[u8]) -> String {
    // The last character may be cut off.
    let end = match str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    };
    match str::from_utf8(&bytes[..end]) {
        Ok(text) => text.to_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

/// Decodes encoded words (RFC 2047). What is not encoded correctly stays as it is.
pub(super) fn decode_words(value: &str) -> String {
    let mut decoded = String::new();
    // Bytes of adjacent words in one encoding: some clients split characters between words.
    let mut pending: Option<(&'static Encoding, Vec<u8>)> = None;
    let mut rest = value;
    while let Some(at) = rest.find("=?") {
        let Some((encoding, bytes, end)) = encoded_word(&rest[at..]) else {
            flush(&mut pending, &mut decoded);
            decoded.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        };
        let between = &rest[..at];
        // Spaces between encoded words are not part of the text.
        if pending.is_none() || !between.trim().is_empty() {
            flush(&mut pending, &mut decoded);
            decoded.push_str(between);
        }
        match &mut pending {
            Some((same, all)) if *same == encoding => all.extend(bytes),
            _ => {
                flush(&mut pending, &mut decoded);
                pending = Some((encoding, bytes));
            }
        }
        rest = &rest[at + end..];
    }
    flush(&mut pending, &mut decoded);
    decoded.push_str(rest);
    decoded
}

fn flush(pending: &mut Option<(&'static Encoding, Vec<u8>)>, decoded: &mut String) {
    if let Some((encoding, bytes)) = pending.take() {
        decoded.push_str(&encoding.decode_without_bom_handling(&bytes).0);
    }
}

/// The word at the beginning of a text: its encoding, its bytes and where it ends.
fn encoded_word(text: &str) -> Option<(&'static Encoding, Vec<u8>, usize)> {
    let mut parts = text.strip_prefix("=?")?.splitn(3, '?');
    let (charset, kind, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (encoded, _) = rest.split_once("?=")?;
    // A language may follow the name (RFC 2231).
    let name = charset.split('*').next().unwrap_or_default();
    let encoding = Encoding::for_label(name.as_bytes()).unwrap_or(UTF_8);
    let bytes = match kind {
        "b" | "B" => BASE64.decode(encoded.replace(' ', "")).ok()?,
        "q" | "Q" => decode_quoted(encoded),
        _ => return None,
    };
    Some((encoding, bytes, 2 + charset.len() + 1 + kind.len() + 1 + encoded.len() + 2))
}

fn decode_quoted(encoded: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).filter(|_| *first == b'=');
        let value = hex.and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        match (first, value) {
            (_, Some(value)) => {
                bytes.push(value);
                rest = &after[2..];
                continue;
            }
            (b'_', None) => bytes.push(b' '),
            (other, None) => bytes.push(*other),
        }
        rest = after;
    }
    bytes
}

/// The addresses in a list such as `"Doe, Jane" <jane@example.org>, bob@example.org (Bob)`.
fn addresses(list: &str) -> Vec<String> {
    let (mut found, mut current, mut angle) = (Vec::new(), String::new(), None::<String>);
    let (mut is_quoted, mut comments) = (false, 0usize);
    let mut characters = list.chars().chain([',']);
    while let Some(character) = characters.next() {
        match character {
            '\\' if is_quoted || comments > 0 => drop(characters.next()),
            '"' if comments == 0 => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '(' => comments += 1,
            ')' => comments = comments.saturating_sub(1),
            _ if comments > 0 => {}
            '<' => current.clear(),
            '>' => angle = Some(std::mem::take(&mut current)),
            // A group has a name and a colon before its addresses.
            ':' => current.clear(),
            ',' | ';' => {
                let address = angle.take().unwrap_or_else(|| std::mem::take(&mut current));
                current.clear();
                let address = address.trim().to_lowercase();
                if address.contains('@') && !address.contains(char::is_whitespace) {
                    found.push(address);
                }
            }
            other => current.push(other),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn encoded_words_are_decoded() {
        for (encoded, expected) in [
            ("=?iso-8859-1?Q?Gr=FC=DFe?= an alle", "Grüße an alle"),
            ("=?utf-8?B?R3LDvMOf?= =?utf-8?B?ZQ==?=", "Grüße"),
            ("a =?utf-8?b?w7w?= b", "a ü b"),
            // A character in two words.
            ("=?utf-8?B?w w==?=  =?UTF-8*de?B?vA==?=", "ü"),
            ("=?iso-2022-jp?B?GyRCRnxLXDhsGyhC?=", "日本語"),
            ("=?gb18030?B?0KHJ8Q==?=", "小神"),
            ("=?utf-8?Q?a_b=3F=?= c", "a b?= c"),
            ("=?x?y?z?= =?utf-8?B?!!!?= =?", "=?x?y?z?= =?utf-8?B?!!!?= =?"),
        ] {
            assert_eq!(decode_words(encoded), expected, "{encoded}");
        }
    }

    #[test]
    fn headers_are_unfolded_and_the_first_counts() {
        let headers = Headers::parse(
            b"Subject: =?utf-8?q?J=C3=BCr?=\r\n =?utf-8?q?gen?= \xc3\xa4\r\nsubject: other\r\n\
              Message-ID:  <a@b>\r\nDate: Fri, 27 Nov 2026 10:00:00 +0100 (CET)\r\nX: \xc3",
        );
        assert_eq!(headers.subject().as_deref(), Some("Jürgen ä"));
        assert_eq!(headers.message_id(), Some("a@b"));
        assert_eq!(headers.date().unwrap().to_rfc3339(), "2026-11-27T10:00:00+01:00");
        assert_eq!(Headers::parse(b"Subject: Gr\xfc\xdfe\r\n").subject().as_deref(), Some("Grüße"));
        assert_eq!(Headers::parse(b"Subject: a\r\n\r\nMessage-ID: <x@y>\r\n").message_id(), None);
    }

    #[test]
    fn addresses_are_found_among_names_comments_and_groups() {
        for (list, expected) in [
            (
                "\"Doe, Jane\" <Jane@Example.org>, bob@example.org (Bob, \\) x)",
                "jane@example.org bob@example.org",
            ),
            ("friends: a@x, B <b@x>; c@x", "a@x b@x c@x"),
            ("undisclosed-recipients:;", ""),
            ("\"a@b\" <c@d", "c@d"),
        ] {
            assert_eq!(addresses(list).join(" "), expected, "{list}");
        }
    }

    #[test]
    fn encrypted_mails_are_known_by_their_type() {
        let is_encrypted =
            |kind: &str| Headers::parse(format!("Content-Type: {kind}\r\n").as_bytes()).is_encrypted();
        for kind in [
            "multipart/encrypted; protocol=\"application/pgp-encrypted\"",
            "Application/PKCS7-Mime; smime-type=enveloped-data; name=smime.p7m",
            "application/x-pkcs7-mime",
        ] {
            assert!(is_encrypted(kind), "{kind}");
        }
        for kind in ["text/plain", "application/pkcs7-mime; smime-type=signed-data", "multipart/signed"] {
            assert!(!is_encrypted(kind), "{kind}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let headers = Headers::parse(&[b"From: ".as_slice(), &bytes, b"\r\nSubject: ", &bytes].concat());
            headers.addresses("from");
            headers.subject();
        }

        #[test]
        fn words_survive_their_encoding(text in "\\PC{0,40}") {
            let encoded = format!("=?utf-8?B?{}?=", BASE64.encode(&text));
            prop_assert_eq!(decode_words(&encoded), text.clone());
            let quoted: String = text.bytes().map(|byte| format!("={byte:02X}")).collect();
            prop_assert_eq!(decode_words(&format!("=?utf-8?q?{quoted}?=")), text);
        }
    }
}
