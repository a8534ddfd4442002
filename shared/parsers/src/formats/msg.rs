//! MSG: a mail of Outlook, which is a compound file of MAPI properties.
//!
//! Read with cfb, which never aborted on hostile files; msg_parser recovered .754 of the words, and aborts on a claimed
//! size of 2 GB.

mod lzfu;
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
    let mut properties = Properties::read(file, storage, if depth == 0 { 32 } else { 24 })?;
    let subject = properties.text(Property::Subject)?;
    output.title(&subject)?;
    let from = sender(&mut properties)?;
    let lines = [
        ("Subject", subject),
        ("From", from),
        ("To", properties.text(Property::DisplayTo)?),
        ("Cc", properties.text(Property::DisplayCc)?),
        ("Date", properties.date().unwrap_or_default()),
    ];
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        output.line(&format!("{name}: {}", one_line(value)))?;
    }
    output.line("")?;
    append_body(&mut properties, output)?;
    append_attachments(file, storage, depth, output)
}

/// Returns who has sent the mail. Mails that were never sent through a server, such as drafts and imported ones, name
/// only the person that they represent.
fn sender(properties: &mut Properties<'_, '_>) -> Result<String, ParseError> {
    use Property::{
        RepresentedAddress, RepresentedName, RepresentedSmtpAddress, SenderAddress, SenderName,
        SenderSmtpAddress,
    };
    let sender = person(properties, SenderName, SenderSmtpAddress, SenderAddress)?;
    if sender.is_empty() {
        return person(properties, RepresentedName, RepresentedSmtpAddress, RepresentedAddress);
    }
    Ok(sender)
}

/// Returns a name with its address, or that of them which is there.
fn person(
    properties: &mut Properties<'_, '_>,
    name: Property,
    smtp_address: Property,
    address: Property,
) -> Result<String, ParseError> {
    let name = properties.text(name)?;
    let smtp_address = properties.text(smtp_address)?;
    let address = if smtp_address.is_empty() { properties.text(address)? } else { smtp_address };
    // Addresses inside an Exchange server are paths.
    Ok(match (name.is_empty() || name == address, address.contains('@')) {
        (false, true) => format!("{name} <{address}>"),
        (true, true) => address,
        (_, false) => name,
    })
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
