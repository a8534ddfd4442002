//! What mails, mailboxes and saved web pages share.

use std::io::Read;

use mail_parser::{Address, Message, MessageParser, MessagePart, MimeHeaders, PartType};

use crate::limits::{MAX_MAIL_BYTES, MAX_MAILS_IN_MAIL};
use crate::output::{Output, one_line};
use crate::{Input, ParseError, html};

/// Reads a mail as a whole.
pub(super) fn read(input: &mut dyn Input, what: &str) -> Result<Vec<u8>, ParseError> {
    let mut bytes = Vec::new();
    input.take(MAX_MAIL_BYTES + 1).read_to_end(&mut bytes).map_err(ParseError::Input)?;
    if bytes.len() as u64 > MAX_MAIL_BYTES {
        let limit = MAX_MAIL_BYTES >> 20;
        return Err(ParseError::too_large(format!("{what} has more than {limit} MiB")));
    }
    Ok(bytes)
}

/// Parses a mail.
pub(super) fn parse<'a>(bytes: &'a [u8], what: &str) -> Result<Message<'a>, ParseError> {
    // The parser recurses when it drops mails in mails.
    let nested = b"message/rfc822";
    let count = bytes.windows(nested.len()).filter(|window| window.eq_ignore_ascii_case(nested)).count();
    if count > MAX_MAILS_IN_MAIL {
        let reason = format!("{what} contains {count} mails; at most {MAX_MAILS_IN_MAIL} are allowed");
        return Err(ParseError::too_large(reason));
    }
    MessageParser::default().parse(bytes).ok_or_else(|| ParseError::damaged(what, "it has no headers"))
}

/// Appends the headers that a reader sees, each on a line.
pub(super) fn append_headers(message: &Message<'_>, output: &mut Output<'_>) -> Result<(), ParseError> {
    let mut lines: Vec<(&str, String)> = Vec::new();
    if let Some(subject) = message.subject() {
        output.title(subject)?;
        lines.push(("Subject", subject.to_owned()));
    }
    for (name, addresses) in [("From", message.from()), ("To", message.to()), ("Cc", message.cc())] {
        lines.extend(addresses.map(|addresses| (name, address_list(addresses))));
    }
    lines.extend(message.date().map(|date| ("Date", date.to_rfc3339())));
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        output.line(&format!("{name}: {}", one_line(value)))?;
    }
    if !lines.is_empty() {
        output.line("")?;
    }
    Ok(())
}

fn address_list(addresses: &Address<'_>) -> String {
    let shown: Vec<String> = addresses
        .iter()
        .map(|address| match (address.name(), address.address()) {
            (Some(name), Some(address)) => format!("{name} <{address}>"),
            (Some(only), None) | (None, Some(only)) => only.to_owned(),
            (None, None) => String::new(),
        })
        .collect();
    shown.join(", ")
}

/// Appends a body part.
pub(super) fn append_body(part: &MessagePart<'_>, output: &mut Output<'_>) -> Result<(), ParseError> {
    match &part.body {
        PartType::Text(text) => output.line(text.trim_end()),
        PartType::Html(text) => {
            // The parser has decoded it, whatever the HTML declares.
            html::append(text.as_bytes(), Some("utf-8"), output)?;
            output.line("")
        }
        _ => Ok(()),
    }
}

/// Appends a part as a file. Images that the body shows are left out.
pub(super) fn append_attachment(
    part: &MessagePart<'_>,
    number: usize,
    output: &mut Output<'_>,
) -> Result<(), ParseError> {
    let content_type = part.content_type();
    let kind = content_type.map_or("", |content_type| content_type.ctype());
    let is_shown_image = matches!(part.body, PartType::InlineBinary(_)) && kind.eq_ignore_ascii_case("image");
    let media_type = content_type
        .and_then(|content_type| Some(format!("{kind}/{}", content_type.subtype()?)))
        .unwrap_or_default()
        .to_ascii_lowercase();
    let name = part.attachment_name().map(|name| one_line(&name.replace(['/', '\\'], "_")));
    let name = name.filter(|name| !name.is_empty());
    match &part.body {
        PartType::Message(message) => {
            let name = name.unwrap_or_else(|| mail_name(number, message.subject().unwrap_or_default()));
            output.attachment(&name, "message/rfc822", &mut message.raw_message())
        }
        PartType::Multipart(_) => Ok(()),
        _ if is_shown_image => Ok(()),
        _ => {
            let name = name.unwrap_or_else(|| format!("attachment {number}"));
            output.attachment(&name, &media_type, &mut part.contents())
        }
    }
}

/// A file name for a mail inside another document. The number keeps names different.
pub(super) fn mail_name(number: usize, subject: &str) -> String {
    const MAX_SUBJECT_BYTES: usize = 120;
    let mut subject = one_line(&subject.replace(['/', '\\', ':'], " "));
    subject.truncate(subject.floor_char_boundary(MAX_SUBJECT_BYTES));
    let separator = if subject.is_empty() { "" } else { " " };
    format!("{number:06}{separator}{subject}.eml")
}
