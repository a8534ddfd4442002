//! Who has sent a mail, and to whom.

use super::properties::{Properties, Property, WHAT};
use crate::ParseError;
use crate::formats::compound::Compound;

/// Recipients that are read. Mail servers accept a few thousand.
const MAX_RECIPIENTS: usize = 10_000;

/// The recipients of a mail, separated by commas; `None` where the file lists none of a kind.
#[derive(Debug, Default)]
pub(super) struct Recipients {
    pub(super) to: Option<String>,
    pub(super) cc: Option<String>,
}

/// Returns who has sent the mail. Mails that were never sent through a server, such as drafts and imported ones, name
/// only the person that they represent.
pub(super) fn sender(properties: &mut Properties<'_, '_>) -> Result<String, ParseError> {
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

/// Reads the recipients, each of which has a storage of its own. Their summary in the mail has names only.
pub(super) fn recipients(file: &mut Compound<'_>, storage: &str) -> Result<Recipients, ParseError> {
    const CC: u64 = 2;
    const BCC: u64 = 3;
    let folder = if storage.is_empty() { "/" } else { storage };
    let entries = file.read_storage(folder).map_err(|error| ParseError::damaged(WHAT, error))?;
    let mut names: Vec<String> = entries
        .filter(|entry| entry.is_storage() && entry.name().starts_with("__recip_version1.0_"))
        .map(|entry| entry.name().to_owned())
        .take(MAX_RECIPIENTS)
        .collect();
    names.sort();
    let mut recipients = Recipients::default();
    for name in names {
        let path = format!("{storage}/{name}");
        let mut properties = Properties::read(file, &path, 8)?;
        let list = match properties.recipient_kind() {
            Some(CC) => &mut recipients.cc,
            Some(BCC) => continue,
            _ => &mut recipients.to,
        };
        let recipient =
            person(&mut properties, Property::Name, Property::RecipientSmtpAddress, Property::Address)?;
        if !recipient.is_empty() {
            let list = list.get_or_insert_default();
            if !list.is_empty() {
                list.push_str(", ");
            }
            list.push_str(&recipient);
        }
    }
    Ok(recipients)
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
