//! Mail over IMAP (RFC 3501), for the connector that reads it: as much of the protocol as reading takes.
//!
//! Written here rather than taken from async-imap 0.12: that ends a fetch that the server refused or cut off like one
//! that is complete, so that mails would look deleted; allocates whatever size a server announces, up to 512 MiB; and
//! logs passwords at its finest level.

mod connection;
mod entry;
mod fetch;
mod framing;
mod header;
mod listing;
pub(crate) mod mailbox;
pub(crate) mod reading;
mod response;
pub(crate) mod sign_in;

use chrono::NaiveDate;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use mailbox::Selection;
use sign_in::Account;

/// The mails of some mailboxes of a user.
#[derive(Debug)]
pub(crate) struct MailSource {
    pub(crate) account: Account,
    pub(crate) mailboxes: Selection,
    /// Only mails that the server received on this day or later.
    pub(crate) since: Option<NaiveDate>,
    pub(crate) max_bytes: u64,
}

/// What may stand in a URL as it is.
const URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

impl MailSource {
    /// The URL of a mailbox (RFC 5092), without its UIDVALIDITY.
    pub(crate) fn mailbox_url(&self, path: &str) -> String {
        let Account { host, port, username, .. } = &self.account;
        let port = if matches!(port, 143 | 993) { String::new() } else { format!(":{port}") };
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_lowercase() };
        let user = utf8_percent_encode(username, URL).to_string().replace('/', "%2F");
        format!("imap://{user}@{host}{port}/{}", utf8_percent_encode(path, URL))
    }
}

/// What may stand in the URL of a mail as it is.
const MID: &AsciiSet = &URL.remove(b'@').remove(b'+').remove(b'$').remove(b'!').remove(b'=').add(b'/');

/// The URL of a mail, which mail programs open (RFC 2392).
fn mid_url(message_id: &str) -> String {
    format!("mid:{}", utf8_percent_encode(message_id, MID))
}
