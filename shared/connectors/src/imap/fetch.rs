//! Fetching: what a server says of mails, and their bytes.

use bytes::Bytes;
use chrono::{DateTime, FixedOffset};

use super::connection::Connection;
use super::header::WANTED;
use super::response::Item;
use crate::ConnectorError;

/// The attributes of one mail in a FETCH response.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FetchedMail {
    /// Identifies it within the mailbox.
    pub(super) uid: u32,
    /// In bytes.
    pub(super) size: Option<u32>,
    /// When the server received it.
    pub(super) received_at: Option<DateTime<FixedOffset>>,
    /// The part of it that was asked for.
    pub(super) section: Option<Bytes>,
}

/// What to ask for besides the UID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Size and time.
    Size,
    /// Size, time and headers.
    Headers,
    /// The whole mail.
    Mail,
    /// Some bytes of the mail.
    Piece {
        /// Where they begin.
        offset: u64,
        /// How many, at most.
        length: u64,
    },
}

/// The most bytes of headers of a mail: those of a mail to hundreds of people are cut off.
const MAX_HEADER_BYTES: u32 = 8192;

impl Wanted {
    fn items(self) -> String {
        match self {
            Self::Size => "(UID RFC822.SIZE INTERNALDATE)".to_owned(),
            Self::Headers => format!(
                "(UID RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS ({WANTED})]<0.{MAX_HEADER_BYTES}>)"
            ),
            // PEEK, which does not mark the mail as seen.
            Self::Mail => "(UID BODY.PEEK[])".to_owned(),
            Self::Piece { offset, length } => format!("(UID BODY.PEEK[]<{offset}.{length}>)"),
        }
    }
}

impl Connection {
    /// Fetches mails of the open mailbox, each once, by ascending UID. Those that do not exist are left out.
    pub(super) async fn fetch(
        &mut self,
        uids: &str,
        wanted: Wanted,
        is_asked_for: impl Fn(u32) -> bool + Send + Sync,
    ) -> Result<Vec<FetchedMail>, ConnectorError> {
        let mut mails: Vec<FetchedMail> = Vec::new();
        let command = format!("UID FETCH {uids} {}", wanted.items());
        let fetch = self.query(&command, |items| {
            // Servers also report other mails by themselves, without what was asked for.
            if let Some(mail) = parse(items).filter(|mail| is_asked_for(mail.uid) && mail.has(wanted)) {
                mails.push(mail);
            }
        });
        fetch.await?;
        mails.sort_by_key(|mail| mail.uid);
        mails.dedup_by_key(|mail| mail.uid);
        Ok(mails)
    }

    /// Returns the UIDs from `first` to `last` of the mails in the open mailbox that match, ascending.
    pub(super) async fn search(
        &mut self,
        first: u32,
        last: u32,
        condition: &str,
    ) -> Result<Vec<u32>, ConnectorError> {
        let mut uids = Vec::new();
        let command = format!("UID SEARCH UID {first}:{last}{condition}");
        let search = self.query(&command, |items| {
            if let [word, found @ ..] = items
                && word.is("SEARCH")
            {
                uids.extend(found.iter().filter_map(Item::number));
            }
        });
        search.await?;
        // A range whose end is beyond the last mail is reversed, and then contains that.
        uids.retain(|uid| (first..=last).contains(uid));
        uids.sort_unstable();
        uids.dedup();
        Ok(uids)
    }
}

impl FetchedMail {
    fn has(&self, wanted: Wanted) -> bool {
        match wanted {
            Wanted::Size => self.size.is_some(),
            Wanted::Headers => self.size.is_some() && self.section.is_some(),
            Wanted::Mail | Wanted::Piece { .. } => self.section.is_some(),
        }
    }
}

/// `* 12 FETCH (UID 7 RFC822.SIZE 44 …)`; `None` for other data.
fn parse(items: &[Item]) -> Option<FetchedMail> {
    let [_, fetch, Item::List(values)] = items else { return None };
    if !fetch.is("FETCH") {
        return None;
    }
    let mut mail = FetchedMail::default();
    for pair in values.chunks_exact(2) {
        match (&pair[0], &pair[1]) {
            (name, value) if name.is("UID") => mail.uid = value.number()?,
            (name, value) if name.is("RFC822.SIZE") => mail.size = value.number(),
            (name, Item::Text(time)) if name.is("INTERNALDATE") => {
                let time = String::from_utf8_lossy(time);
                mail.received_at = DateTime::parse_from_str(time.trim(), "%d-%b-%Y %H:%M:%S %z").ok();
            }
            (Item::Word(name), Item::Text(bytes)) if name.to_ascii_uppercase().starts_with("BODY[") => {
                mail.section = Some(bytes.clone());
            }
            _ => {}
        }
    }
    (mail.uid > 0).then_some(mail)
}

#[cfg(test)]
mod tests {
    use super::super::response::{Response, parse as parse_response};
    use super::*;

    fn parsed(response: &'static str) -> Option<FetchedMail> {
        match parse_response(&Bytes::from_static(response.as_bytes())) {
            Some(Response::Data(items)) => parse(&items),
            _ => None,
        }
    }

    #[test]
    fn what_a_server_says_of_a_mail_is_read() {
        let mail = parsed(
            "* 3 FETCH (INTERNALDATE \" 7-Feb-2026 10:00:00 +0100\" FLAGS (\\Seen) UID 9 RFC822.SIZE 120 BODY[] {2}\r\nab)\r\n",
        )
        .unwrap();
        assert_eq!((mail.uid, mail.size, mail.section.as_deref()), (9, Some(120), Some(b"ab".as_slice())));
        assert_eq!(mail.received_at.unwrap().to_rfc3339(), "2026-02-07T10:00:00+01:00");
        assert!(mail.has(Wanted::Headers));
    }

    #[test]
    fn news_of_other_mails_is_told_apart() {
        let news = parsed("* 3 FETCH (UID 9 FLAGS ())\r\n").unwrap();
        assert!(!news.has(Wanted::Size) && !news.has(Wanted::Mail));
        for other in ["* 3 FETCH (FLAGS (\\Seen))\r\n", "* 3 EXISTS\r\n", "* 3 FETCH (UID 9 BODY[] NIL)\r\n"]
        {
            assert!(parsed(other).is_none_or(|mail| !mail.has(Wanted::Mail)), "{other}");
        }
    }
}
