//! A mail as a document.

use domain::DocumentMetadata;
use serde_json::{Map, Value};

use super::fetch::FetchedMail;
use super::header::Headers;
use super::{MailSource, mid_url};
use crate::Entry;

/// The media type of mails, which makes the pipeline parse them.
const MAIL: &str = "message/rfc822";
/// The most bytes of a subject in a file name.
const MAX_NAME_BYTES: usize = 120;

/// The mailbox of a mail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// As commands name it.
    pub(super) raw_name: &'a str,
    /// As people name it.
    pub(super) path: &'a str,
    pub(super) validity: u32,
}

/// A mail, as [`crate::Entry::location`] names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct MailId {
    pub(super) mailbox: String,
    pub(super) validity: u32,
    pub(super) uid: u32,
}

impl MailId {
    pub(super) fn parse(location: &str) -> Option<Self> {
        let mut parts = location.splitn(3, '/');
        let (validity, uid, mailbox) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { validity: validity.parse().ok()?, uid: uid.parse().ok()?, mailbox: mailbox.to_owned() })
    }

    /// Differs between any two mails of a mailbox; a mail never changes.
    pub(super) fn change_hint(&self) -> String {
        format!("{}-{}", self.validity, self.uid)
    }
}

impl std::fmt::Display for MailId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.validity, self.uid, self.mailbox)
    }
}

/// The document of a mail. What its headers say is left out if they were not fetched, because it was listed before.
///
/// Its identity is mailbox, UIDVALIDITY and UID. Message-IDs survive a move; but they are what senders write: a second
/// mail with the same one would take the place of the first.
pub(super) fn entry(source: &MailSource, mailbox: Place<'_>, mail: &FetchedMail) -> Entry {
    let Place { raw_name, path, validity } = mailbox;
    let id = MailId { mailbox: raw_name.to_owned(), validity, uid: mail.uid };
    let headers = mail.section.as_deref().map(Headers::parse);
    let title = headers.as_ref().and_then(Headers::subject);
    Entry {
        uri: format!("{};UIDVALIDITY={validity}/;UID={}", source.mailbox_url(path), mail.uid),
        location: id.to_string(),
        file_name: file_name(title.as_deref(), mail.uid),
        file_path: format!("{path}/{}.eml", mail.uid),
        size_bytes: mail.size.unwrap_or_default().into(),
        change_hint: Some(id.change_hint()),
        mime_type: Some(MAIL.to_owned()),
        modified_at: mail.received_at.map(|time| time.to_utc()),
        url: headers.as_ref().and_then(Headers::message_id).map(mid_url),
        metadata: headers.map(|headers| metadata(&headers, path, mail)),
        title,
        content: None,
    }
}

fn file_name(subject: Option<&str>, uid: u32) -> String {
    let name = subject.unwrap_or_default().replace(['/', '\\', ':'], " ");
    let name = name[..name.floor_char_boundary(MAX_NAME_BYTES)].trim();
    if name.is_empty() { format!("{uid}.eml") } else { format!("{name}.eml") }
}

/// What searches can filter by.
fn metadata(headers: &Headers, path: &str, mail: &FetchedMail) -> DocumentMetadata {
    let date = headers.date().or(mail.received_at).map(|time| time.format("%Y-%m-%d").to_string());
    let mut map = Map::new();
    for (key, value) in [
        ("from", joined(&headers.addresses("from"))),
        ("to", joined(&headers.addresses("to"))),
        ("date", date),
        ("message_id", headers.message_id().map(str::to_owned)),
        ("mailbox", Some(path.to_owned())),
    ] {
        let fits = |text: &String| text.chars().count() <= DocumentMetadata::MAX_TEXT_LENGTH;
        if let Some(value) = value.filter(fits) {
            map.insert(key.to_owned(), Value::String(value));
        }
    }
    DocumentMetadata::parse(&map).unwrap_or_default()
}

/// As many addresses as fit.
fn joined(addresses: &[String]) -> Option<String> {
    let mut joined = String::new();
    for address in addresses {
        let separator = if joined.is_empty() { "" } else { ", " };
        let length = joined.chars().count() + separator.len() + address.chars().count();
        if length > DocumentMetadata::MAX_TEXT_LENGTH {
            break;
        }
        joined += separator;
        joined += address;
    }
    (!joined.is_empty()).then_some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn location_leads_back_to_the_mail() {
        let id = MailId { mailbox: "a/b/&AOQ-".to_owned(), validity: 7, uid: 12 };
        assert_eq!(MailId::parse(&id.to_string()), Some(id));
        for other in ["", "7", "7/12", "x/12/INBOX", "7/-1/INBOX"] {
            assert_eq!(MailId::parse(other), None, "{other}");
        }
    }

    #[test]
    fn file_names_have_no_separators_and_fit() {
        assert_eq!(file_name(Some("Re: a/b\\c"), 7), "Re  a b c.eml");
        assert_eq!(file_name(Some("::"), 7), "7.eml");
        assert_eq!(file_name(Some(&"ä".repeat(200)), 7).len(), 120 + ".eml".len());
    }

    #[test]
    fn metadata_holds_as_many_recipients_as_fit() {
        let recipients: Vec<String> =
            (0..30).map(|number| format!("person{number:02}@example.org")).collect();
        let joined = joined(&recipients).unwrap();
        assert!(joined.len() <= 256 && joined.ends_with("@example.org"), "{joined}");
        let long = format!("{}@example.org", "x".repeat(300));
        assert_eq!(super::joined(&[long]), None);
    }
}
