//! Reading mails over one connection: small ones in batches, large ones piece by piece.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use domain::{Classify, ErrorKind};
use tokio::sync::Mutex;

use super::MailSource;
use super::connection::Connection;
use super::entry::MailId;
use super::fetch::Wanted;
use super::header::Headers;
use crate::clients::Clients;
use crate::reader::{Body, Reading};
use crate::session::Session;
use crate::{ConnectorError, SourceReader};

/// Mails that are fetched with one command, and their bytes, which are in memory until they are opened.
const BATCH_MAILS: usize = 50;
const BATCH_BYTES: u64 = 8 * 1024 * 1024;
/// A larger mail is fetched in pieces of this size.
const PIECE_BYTES: u64 = 1024 * 1024;

/// A session of one source.
#[derive(Debug)]
pub(super) struct MailSession(Arc<Mutex<Reader>>);

#[derive(Debug)]
struct Reader {
    max_bytes: u64,
    /// `None` once it is broken.
    connection: Option<Connection>,
    /// Mails that will be opened and were not fetched yet.
    due: BTreeSet<MailId>,
    /// What is known of mails; `None` for those that do not exist.
    known: HashMap<MailId, Option<Known>>,
    /// Mails that were fetched and not opened yet.
    fetched: HashMap<MailId, Bytes>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    size: u64,
    is_encrypted: bool,
}

impl MailSource {
    /// Begins to read the mails at these locations.
    pub(crate) async fn begin_session(
        &self,
        clients: &Clients,
        locations: &[String],
    ) -> Result<Box<dyn Session>, ConnectorError> {
        let reader = Reader {
            max_bytes: self.max_bytes,
            connection: Some(self.account.connect(clients).await?),
            due: locations.iter().filter_map(|location| MailId::parse(location)).collect(),
            known: HashMap::new(),
            fetched: HashMap::new(),
        };
        Ok(Box::new(MailSession(Arc::new(Mutex::new(reader)))))
    }
}

impl Session for MailSession {
    fn open<'a>(&'a self, location: &'a str) -> Reading<'a, SourceReader> {
        Box::pin(async move {
            let id = MailId::parse(location).ok_or_else(|| {
                ConnectorError::invalid("location", format!("not a mail of this source, got {location:?}"))
            })?;
            let mut reader = self.0.lock().await;
            let known = reader.look_up(&id).await?;
            let hint = Some(id.change_hint());
            if known.size > PIECE_BYTES {
                reader.due.remove(&id);
                let pieces = Pieces { reader: Arc::clone(&self.0), id, offset: 0, is_at_end: false };
                return Ok(SourceReader::new(known.size, hint, pieces));
            }
            Ok(SourceReader::of_bytes(hint, reader.whole(&id).await?))
        })
    }
}

impl Reader {
    /// Finds out what a mail is before it is fetched, and with it all others that are due in its mailbox.
    async fn look_up(&mut self, id: &MailId) -> Result<Known, ConnectorError> {
        if !self.known.contains_key(id) {
            let is_same = |other: &&MailId| other.mailbox == id.mailbox && other.validity == id.validity;
            let mut wanted: BTreeSet<MailId> = self.due.iter().filter(is_same).cloned().collect();
            wanted.insert(id.clone());
            let mails = self.fetch(id, &wanted, Wanted::Headers).await?;
            self.known.extend(wanted.into_iter().map(|id| (id, None)));
            for mail in mails {
                let headers = Headers::parse(&mail.section.unwrap_or_default());
                let size = mail.size.unwrap_or_default().into();
                let known = Known { size, is_encrypted: headers.is_encrypted() };
                self.known.insert(MailId { uid: mail.uid, ..id.clone() }, Some(known));
            }
        }
        let what = || format!("the mail {} of the mailbox {:?}", id.uid, id.mailbox);
        let Some(Some(known)) = self.known.get(id).copied() else {
            return Err(ConnectorError::NotFound { what: what() });
        };
        let reason = if known.is_encrypted {
            "it is encrypted, and only its recipient has the key".to_owned()
        } else if known.size > self.max_bytes {
            format!("it has {} bytes; max_message_bytes allows {}", known.size, self.max_bytes)
        } else {
            return Ok(known);
        };
        Err(ConnectorError::LeftOut { what: what(), reason })
    }

    /// Returns a small mail, and fetches the next ones with it.
    async fn whole(&mut self, id: &MailId) -> Result<Bytes, ConnectorError> {
        if let Some(bytes) = self.fetched.remove(id) {
            return Ok(bytes);
        }
        let mut batch = BTreeSet::from([id.clone()]);
        let mut bytes = self.size_if_small(id).unwrap_or_default();
        for other in self.due.iter().filter(|other| other.mailbox == id.mailbox && *other != id) {
            let Some(size) = self.size_if_small(other) else { continue };
            bytes += size;
            if batch.len() == BATCH_MAILS || bytes > BATCH_BYTES {
                break;
            }
            batch.insert(other.clone());
        }
        for mail in self.fetch(id, &batch, Wanted::Mail).await? {
            let id = MailId { uid: mail.uid, ..id.clone() };
            self.due.remove(&id);
            self.fetched.insert(id, mail.section.unwrap_or_default());
        }
        let gone = || ConnectorError::NotFound { what: format!("the mail {} of {:?}", id.uid, id.mailbox) };
        self.fetched.remove(id).ok_or_else(gone)
    }

    /// The size of a mail that is fetched as a whole.
    fn size_if_small(&self, id: &MailId) -> Option<u64> {
        let known = self.known.get(id).copied().flatten()?;
        let is_small = known.size <= PIECE_BYTES.min(self.max_bytes) && !known.is_encrypted;
        is_small.then_some(known.size)
    }

    /// Fetches mails of one mailbox.
    async fn fetch(
        &mut self,
        id: &MailId,
        wanted: &BTreeSet<MailId>,
        what: Wanted,
    ) -> Result<Vec<super::fetch::FetchedMail>, ConnectorError> {
        let Some(connection) = &mut self.connection else {
            return Err(ConnectorError::unavailable("the mail server", "the connection was lost before"));
        };
        let uids: Vec<u32> = wanted.iter().map(|id| id.uid).collect();
        let set = uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let fetched = async {
            // Another validity: the mailbox was made anew, and the UIDs stand for other mails.
            if connection.examine(&id.mailbox).await?.validity != id.validity {
                return Ok(Vec::new());
            }
            connection.fetch(&set, what, |uid| uids.contains(&uid)).await
        };
        let fetched = fetched.await;
        // Answers that arrive late would be taken for those of the next command.
        if fetched.as_ref().is_err_and(|error: &ConnectorError| error.kind() == ErrorKind::Unavailable) {
            self.connection = None;
        }
        fetched
    }
}

/// A large mail that is being read.
#[derive(Debug)]
struct Pieces {
    reader: Arc<Mutex<Reader>>,
    id: MailId,
    offset: u64,
    is_at_end: bool,
}

impl Body for Pieces {
    fn next(&mut self) -> Reading<'_, Option<Bytes>> {
        Box::pin(async move {
            if self.is_at_end {
                return Ok(None);
            }
            let mut reader = self.reader.lock().await;
            let wanted = BTreeSet::from([self.id.clone()]);
            let what = Wanted::Piece { offset: self.offset, length: PIECE_BYTES };
            let piece =
                reader.fetch(&self.id, &wanted, what).await?.into_iter().find_map(|mail| mail.section);
            let what = || format!("the mail {} of the mailbox {:?}", self.id.uid, self.id.mailbox);
            let Some(piece) = piece else {
                return Err(ConnectorError::NotFound { what: what() });
            };
            self.offset += piece.len() as u64;
            // Servers may announce a size that is not quite that of the mail.
            self.is_at_end = (piece.len() as u64) < PIECE_BYTES;
            if self.offset > reader.max_bytes {
                let reason = format!("it has more bytes than max_message_bytes allows: {}", reader.max_bytes);
                return Err(ConnectorError::LeftOut { what: what(), reason });
            }
            Ok((!piece.is_empty()).then_some(piece))
        })
    }
}
