//! Mailboxes: their names, and which of them a source reads.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::connection::{Connection, OpenMailbox, quoted};
use super::response::{Item, Response};
use crate::ConnectorError;

/// A mailbox that can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mailbox {
    /// As commands name it.
    pub(super) raw_name: String,
    /// As people name it, with `/` between levels.
    pub(super) path: String,
    /// What it is for (RFC 6154), and whether it can be opened.
    attributes: Vec<String>,
}

/// The mailboxes of a source: names, and patterns with the wildcards of IMAP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection(Vec<String>);

/// Mailboxes that patterns do not stand for: what is there is unwanted, unfinished, or elsewhere, too.
const LEFT_OUT: [&str; 4] = ["\\trash", "\\junk", "\\drafts", "\\all"];
/// The most mailboxes of a source: each costs a command in every sync.
const MAX_MAILBOXES: usize = 500;

impl Selection {
    /// Reads the setting; the inbox if it is empty.
    pub(crate) fn new(names: &[&str]) -> Self {
        match names {
            [] => Self(vec!["INBOX".to_owned()]),
            names => Self(names.iter().map(|name| (*name).to_owned()).collect()),
        }
    }

    pub(crate) fn first(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a mailbox of this path may be read, whatever it is for.
    pub(super) fn includes(&self, path: &str) -> bool {
        self.0.iter().any(|entry| is_same(entry, path) || is_match(entry, path))
    }

    /// Whether it is named, rather than matched by a pattern.
    pub(super) fn names(&self, path: &str) -> bool {
        self.0.iter().any(|entry| is_same(entry, path))
    }

    /// Returns the mailboxes of the account that the source reads.
    ///
    /// # Errors
    /// Returns `Invalid` if one that is named does not exist, or there is none at all: documents are not to be removed for
    /// a misspelt name.
    pub(super) async fn resolve(&self, connection: &mut Connection) -> Result<Vec<Mailbox>, ConnectorError> {
        let mut all = Vec::new();
        connection.query("LIST \"\" \"*\"", |items| all.extend(Mailbox::parse(items))).await?;
        let is_wanted = |mailbox: &Mailbox| {
            let is_left_out = mailbox.attributes.iter().any(|has| LEFT_OUT.contains(&has.as_str()));
            self.names(&mailbox.path) || (!is_left_out && self.includes(&mailbox.path))
        };
        let mut wanted: Vec<Mailbox> = all.iter().filter(|mailbox| is_wanted(mailbox)).cloned().collect();
        wanted.sort_by(|one, other| one.raw_name.cmp(&other.raw_name));
        wanted.dedup_by(|one, other| one.raw_name == other.raw_name);
        let is_missing = |entry: &&String| {
            let is_name = !entry.contains(['*', '%']);
            wanted.is_empty() || (is_name && !wanted.iter().any(|mailbox| is_same(entry, &mailbox.path)))
        };
        if let Some(missing) = self.0.iter().find(is_missing) {
            const SHOWN: usize = 20;
            let names: Vec<String> =
                all.iter().take(SHOWN).map(|mailbox| format!("{:?}", mailbox.path)).collect();
            let more = if all.len() > SHOWN { ", …" } else { "" };
            let message = format!("no such mailbox; {}{more} allowed, got {missing:?}", names.join(", "));
            return Err(ConnectorError::invalid("mailboxes", message));
        }
        if wanted.len() > MAX_MAILBOXES {
            let message =
                format!("too many mailboxes; at most {MAX_MAILBOXES} allowed, got {}", wanted.len());
            return Err(ConnectorError::invalid("mailboxes", message));
        }
        Ok(wanted)
    }
}

impl Mailbox {
    /// `* LIST (\HasNoChildren) "/" INBOX`; `None` for other data and for mailboxes that only contain others.
    fn parse(items: &[Item]) -> Option<Self> {
        let [list, attributes, separator, name, ..] = items else { return None };
        let attributes: Vec<String> =
            attributes.list()?.iter().filter_map(|item| Some(item.text()?.to_ascii_lowercase())).collect();
        let is_closed = attributes.iter().any(|has| matches!(has.as_str(), "\\noselect" | "\\nonexistent"));
        if !list.is("LIST") || is_closed {
            return None;
        }
        let raw_name = name.text()?;
        let separator = match separator {
            Item::Text(text) => String::from_utf8_lossy(text).into_owned(),
            _ => String::new(),
        };
        let levels: Vec<String> = match separator.as_str() {
            "" => vec![decode_utf7(&raw_name)],
            separator => raw_name.split(separator).map(decode_utf7).collect(),
        };
        Some(Self { path: levels.join("/"), raw_name, attributes })
    }

    /// Returns validity, next UID and count without opening the mailbox.
    pub(super) async fn status(&self, connection: &mut Connection) -> Result<OpenMailbox, ConnectorError> {
        let mut status = OpenMailbox::default();
        let command = format!("STATUS {} (MESSAGES UIDNEXT UIDVALIDITY)", quoted(&self.raw_name)?);
        let ended = connection.command(&command, |response| {
            let Response::Data(items) = response else { return };
            let [word, _, Item::List(values)] = items.as_slice() else { return };
            if !word.is("STATUS") {
                return;
            }
            for pair in values.chunks_exact(2) {
                let number = pair[1].number().unwrap_or_default();
                match &pair[0] {
                    name if name.is("MESSAGES") => status.mails = number,
                    name if name.is("UIDNEXT") => status.next = number,
                    name if name.is("UIDVALIDITY") => status.validity = number,
                    _ => {}
                }
            }
        });
        let ended = ended.await?;
        if ended.is_ok() { Ok(status) } else { Err(connection.closed(&self.raw_name, &ended)) }
    }
}

/// The inbox is the inbox in whatever case.
fn is_same(entry: &str, path: &str) -> bool {
    entry == path || (path.eq_ignore_ascii_case("INBOX") && entry.eq_ignore_ascii_case("INBOX"))
}

/// `*` stands for any text, `%` for any text within a level. Takes time in proportion to both, whatever the pattern.
fn is_match(pattern: &str, path: &str) -> bool {
    let path: Vec<char> = path.chars().collect();
    // Whether what was read of the pattern matches the first characters of the path, by their number.
    let mut matched = vec![false; path.len() + 1];
    matched[0] = true;
    for wanted in pattern.chars() {
        let mut next = vec![false; path.len() + 1];
        for length in 0..=path.len() {
            let last = length.checked_sub(1);
            next[length] = match (wanted, last) {
                ('*', None) | ('%', None) => matched[length],
                ('*', Some(last)) => matched[length] || next[last],
                ('%', Some(last)) => matched[length] || (next[last] && path[last] != '/'),
                (_, Some(last)) => matched[last] && path[last] == wanted,
                (_, None) => false,
            };
        }
        matched = next;
    }
    matched.last().copied().unwrap_or_default()
}

/// Decodes modified UTF-7 (RFC 3501 section 5.1.3). What is not encoded correctly stays as it is.
pub(super) fn decode_utf7(raw_name: &str) -> String {
    let mut decoded = String::new();
    let mut rest = raw_name;
    while let Some(at) = rest.find('&') {
        decoded.push_str(&rest[..at]);
        let encoded = &rest[at + 1..];
        let Some(end) = encoded.find('-') else {
            rest = &rest[at..];
            break;
        };
        match (end, decode_utf16(&encoded[..end])) {
            (0, _) => decoded.push('&'),
            (_, Some(text)) => decoded.push_str(&text),
            (_, None) => decoded.push_str(&rest[at..at + end + 2]),
        }
        rest = &encoded[end + 1..];
    }
    decoded.push_str(rest);
    decoded
}

fn decode_utf16(encoded: &str) -> Option<String> {
    let bytes = STANDARD_NO_PAD.decode(encoded.replace(',', "/")).ok()?;
    if bytes.len() % 2 != 0 {
        return None;
    }
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode_utf7(name: &str) -> String {
        let mut encoded = String::new();
        let mut other = String::new();
        let flush = |other: &mut String, encoded: &mut String| {
            if !other.is_empty() {
                let bytes: Vec<u8> = other.encode_utf16().flat_map(u16::to_be_bytes).collect();
                *encoded += &format!("&{}-", STANDARD_NO_PAD.encode(bytes).replace('/', ","));
                other.clear();
            }
        };
        for character in name.chars() {
            if (' '..='~').contains(&character) {
                flush(&mut other, &mut encoded);
                encoded += &if character == '&' { "&-".to_owned() } else { character.to_string() };
            } else {
                other.push(character);
            }
        }
        flush(&mut other, &mut encoded);
        encoded
    }

    #[test]
    fn names_of_the_standard_are_decoded() {
        assert_eq!(decode_utf7("~peter/mail/&U,BTFw-/&ZeVnLIqe-"), "~peter/mail/台北/日本語");
        assert_eq!(decode_utf7("Entw&APw-rfe"), "Entwürfe");
        assert_eq!(decode_utf7("R&-D"), "R&D");
        for broken in ["a&b", "&!!!-x", "&AA-", "x&", "&2AE-"] {
            assert_eq!(decode_utf7(broken), broken);
        }
    }

    #[test]
    fn patterns_have_the_wildcards_of_imap() {
        let selection = Selection::new(&["Projects/*", "[Gmail]/%", "inbox"]);
        for path in ["Projects/a", "Projects/a/b", "[Gmail]/All Mail", "INBOX"] {
            assert!(selection.includes(path), "{path}");
        }
        for path in ["Projects", "[Gmail]/a/b", "G/x", "Inbox2"] {
            assert!(!selection.includes(path), "{path}");
        }
        assert!(Selection::new(&["%"]).includes("Ä") && !Selection::new(&["%"]).includes("Ä/b"));
        assert!(Selection::new(&["*ü%"]).includes("x/yü"));
        assert!(!is_match(&"*a".repeat(120), &format!("{}b", "a".repeat(250))));
    }

    #[test]
    fn levels_are_separated_by_slashes_whatever_the_server_uses() {
        let items = |separator: &str, name: &str| {
            let text = |text: &str| Item::Text(bytes::Bytes::copy_from_slice(text.as_bytes()));
            [Item::Word("LIST".into()), Item::List(vec![]), text(separator), text(name)]
        };
        assert_eq!(Mailbox::parse(&items(".", "a.&AOQ-.c")).unwrap().path, "a/ä/c");
        assert_eq!(Mailbox::parse(&items("/", "a.b/c")).unwrap().path, "a.b/c");
    }

    proptest! {
        #[test]
        fn every_name_survives_its_encoding(name in "\\PC{0,30}") {
            prop_assert_eq!(decode_utf7(&encode_utf7(&name)), name);
        }

        #[test]
        fn any_name_is_decoded(name in ".{0,40}") {
            decode_utf7(&name);
        }
    }
}
