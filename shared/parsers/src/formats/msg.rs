//! MSG: a mail of Outlook, which is a compound file of MAPI properties.
//!
//! Read with cfb, which never aborted on hostile files; msg_parser recovered .754 of the words, and aborts on a claimed
//! size of 2 GB.

mod lzfu;
mod people;
mod properties;

use frames::WarningKind;

use super::{compound, rtf};
use crate::limits::{MAX_DEPTH, MAX_MAIL_BYTES};
use crate::output::{Output, one_line};
use crate::parser::Parser;
use crate::{Input, Options, ParseError, html};

use properties::{Properties, Property, WHAT};

pub(crate) const PARSER: Parser = Parser { parse, no_text: "the mail has neither text nor attachments" };

/// Attachments that are looked for.
const MAX_ENTRIES: usize = 100_000;

fn parse(input: &mut dyn Input, _options: &Options, output: &mut Output<'_>) -> Result<(), ParseError> {
    let mut file = compound::open(input, WHAT)?;
    append_mail(&mut file, "", 0, output)
}

/// Appends a mail in this storage: the file itself, or a mail that is attached.
fn append_mail(
    file: &mut compound::Compound<'_>,
    storage: &str,
    depth: usize,
    output: &mut Output<'_>,
) -> Result<(), ParseError> {
    let recipients = people::recipients(file, storage)?;
    let mut properties = Properties::read(file, storage, if depth == 0 { 32 } else { 24 })?;
    let subject = properties.text(Property::Subject)?;
    output.title(&subject)?;
    let from = people::sender(&mut properties)?;
    let to = recipients.to.map_or_else(|| properties.text(Property::DisplayTo), Ok)?;
    let cc = recipients.cc.map_or_else(|| properties.text(Property::DisplayCc), Ok)?;
    let lines = [
        ("Subject", subject),
        ("From", from),
        ("To", to),
        ("Cc", cc),
        ("Date", properties.date().unwrap_or_default()),
    ];
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        output.line(&format!("{name}: {}", one_line(value)))?;
    }
    output.line("")?;
    append_body(&mut properties, output)?;
    append_attachments(file, storage, depth, output)
}

fn append_body(properties: &mut Properties<'_, '_>, output: &mut Output<'_>) -> Result<(), ParseError> {
    let plain = properties.text(Property::Body)?;
    if !plain.trim().is_empty() {
        return output.line(plain.trim_end());
    }
    let page = properties.bytes(Property::Html)?;
    if !page.is_empty() {
        html::append(&page, None, output)?;
        return output.line("");
    }
    let page = properties.text(Property::Html)?;
    if !page.is_empty() {
        html::append(page.as_bytes(), Some("utf-8"), output)?;
        return output.line("");
    }
    let compressed = properties.bytes(Property::CompressedRtf)?;
    if compressed.is_empty() {
        return Ok(());
    }
    match lzfu::decompress(&compressed) {
        Some(text) => rtf::append(text.as_slice(), output),
        None => {
            output.warn(WarningKind::PartsUnreadable, 1);
            Ok(())
        }
    }
}

fn append_attachments(
    file: &mut compound::Compound<'_>,
    storage: &str,
    depth: usize,
    output: &mut Output<'_>,
) -> Result<(), ParseError> {
    let folder = if storage.is_empty() { "/" } else { storage };
    let entries = file.read_storage(folder).map_err(|error| ParseError::damaged(WHAT, error))?;
    let mut names: Vec<String> = entries
        .take(MAX_ENTRIES)
        .filter(|entry| entry.is_storage() && entry.name().starts_with("__attach_version1.0_"))
        .map(|entry| entry.name().to_owned())
        .collect();
    names.sort();
    for (index, name) in names.iter().enumerate() {
        let path = format!("{storage}/{name}");
        let mail = format!("{path}/__substg1.0_3701000D");
        if file.is_storage(&mail) {
            if depth + 1 < MAX_DEPTH {
                append_mail(file, &mail, depth + 1, output)?;
            } else {
                output.warn(WarningKind::AttachmentsLeftOut, 1);
            }
            continue;
        }
        let mut properties = Properties::read(file, &path, 8)?;
        let mut name = properties.text(Property::AttachmentLongName)?;
        if name.is_empty() {
            name = properties.text(Property::AttachmentName)?;
        }
        if name.is_empty() {
            name = format!("attachment {}", index + 1);
        }
        let media_type = properties.text(Property::AttachmentMediaType)?;
        let content = properties.bytes_up_to(Property::AttachmentData, MAX_MAIL_BYTES)?;
        output.attachment(&name.replace(['/', '\\'], "_"), &media_type, &mut content.as_slice())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
