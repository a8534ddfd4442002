//! Listing: which mails there are, at the cost of what changed since the last time.
//!
//! A mail never changes, so its UID says all. New mails have higher UIDs than those before; so a mailbox that has as many
//! mails as it had, and those with new UIDs, has lost none, and only the new ones are listed. Otherwise all are, with
//! the headers of the new ones only.

use std::collections::HashMap;
use std::time::Instant;

use domain::{Classify, ErrorKind};
use serde::{Deserialize, Serialize};

use super::MailSource;
use super::connection::{Connection, OpenMailbox};
use super::entry::{Place, entry};
use super::fetch::{FetchedMail, Wanted};
use crate::clients::Clients;
use crate::{ConnectorError, Listing, Page, Unlisted};

/// What one listing leaves for the next.
#[derive(Debug, Serialize, Deserialize)]
struct Checkpoint {
    mailboxes: Vec<Snapshot>,
}

/// A mailbox at the time of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Snapshot {
    /// As commands name it.
    name: String,
    validity: u32,
    next: u32,
    mails: u32,
}

/// Where the next page of a listing begins.
#[derive(Debug, Serialize, Deserialize)]
struct Cursor {
    /// Whether only new mails are listed.
    only_new: bool,
    mailboxes: Vec<Listed>,
    /// The index of the current mailbox.
    at: usize,
    /// What is left of it, once its mails are known.
    windows: Option<Vec<Window>>,
}

/// A mailbox that is being listed.
#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    #[serde(flatten)]
    now: Snapshot,
    /// As people name it.
    path: String,
    /// Mails with lower UIDs were in an earlier listing; 0 if there was none.
    known: u32,
}

/// UIDs, from the first to the last, and how many of them there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    first: u32,
    last: u32,
    count: usize,
}

impl Snapshot {
    fn new(name: &str, mailbox: OpenMailbox) -> Self {
        let OpenMailbox { validity, next, mails } = mailbox;
        Self { name: name.to_owned(), validity, next, mails }
    }
}

impl Listed {
    fn place(&self) -> Place<'_> {
        Place { raw_name: &self.now.name, path: &self.path, validity: self.now.validity }
    }
}

impl Cursor {
    fn parse(cursor: &str) -> Result<Self, ConnectorError> {
        serde_json::from_str(cursor).map_err(|error| {
            ConnectorError::invalid(
                "cursor",
                format!("not of this connector ({error}); start the listing again"),
            )
        })
    }

    fn advance(&mut self) {
        self.at += 1;
        self.windows = None;
    }

    fn snapshots(&self) -> impl Iterator<Item = &Snapshot> {
        self.mailboxes.iter().map(|mailbox| &mailbox.now)
    }
}

impl MailSource {
    /// Lists one page.
    pub(crate) async fn list_page(
        &self,
        clients: &Clients,
        listing: Listing<'_>,
    ) -> Result<Page, ConnectorError> {
        let mut connection = self.account.connect(clients).await?;
        let page = self.page(&mut connection, listing).await?;
        connection.log_out().await;
        Ok(page)
    }

    async fn page(&self, connection: &mut Connection, listing: Listing<'_>) -> Result<Page, ConnectorError> {
        let mut page = Page::default();
        let mut cursor = match listing.cursor {
            Some(cursor) => Cursor::parse(cursor)?,
            None => self.begin(connection, listing.checkpoint, &mut page).await?,
        };
        let is_at_end = self.fill(connection, &mut cursor, listing, &mut page).await?;
        if cursor.only_new {
            page.unlisted = Unlisted::Unchanged;
        }
        let text = |value| ConnectorError::unavailable("the listing", value);
        if is_at_end {
            let checkpoint = Checkpoint { mailboxes: cursor.snapshots().cloned().collect() };
            page.checkpoint = Some(serde_json::to_string(&checkpoint).map_err(text)?);
        } else {
            page.next = Some(serde_json::to_string(&cursor).map_err(text)?);
        }
        Ok(page)
    }

    /// Looks at the mailboxes, and decides whether to list all mails or only new ones.
    async fn begin(
        &self,
        connection: &mut Connection,
        checkpoint: Option<&str>,
        page: &mut Page,
    ) -> Result<Cursor, ConnectorError> {
        let known: Option<Checkpoint> = checkpoint.and_then(|text| serde_json::from_str(text).ok());
        let known: HashMap<String, Snapshot> = known
            .into_iter()
            .flat_map(|checkpoint| checkpoint.mailboxes)
            .map(|mailbox| (mailbox.name.clone(), mailbox))
            .collect();
        let mut mailboxes = Vec::new();
        for mailbox in self.mailboxes.resolve(connection).await? {
            match mailbox.status(connection).await {
                Ok(status) => {
                    let now = Snapshot::new(&mailbox.raw_name, status);
                    let before = known.get(&now.name).filter(|before| before.validity == now.validity);
                    let known = before.map_or(0, |before| before.next);
                    mailboxes.push(Listed { now, path: mailbox.path, known });
                }
                Err(error) => self.leave_out(&mailbox.path, error, page)?,
            }
        }
        let mut only_new = !known.is_empty();
        for before in known.values() {
            only_new = only_new && has_lost_none(connection, &mut mailboxes, before).await?;
        }
        Ok(Cursor { only_new, mailboxes, at: 0, windows: None })
    }

    /// Counts a mailbox that may not be read; an error if it is named.
    fn leave_out(&self, path: &str, error: ConnectorError, page: &mut Page) -> Result<(), ConnectorError> {
        let is_final = matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::NotFound);
        if !is_final || self.mailboxes.names(path) {
            return Err(error);
        }
        tracing::warn!(mailbox = path, error = error.to_string(), "a mailbox cannot be read");
        page.unreadable += 1;
        Ok(())
    }

    /// Adds mails until the page is full; returns whether it was the last one.
    async fn fill(
        &self,
        connection: &mut Connection,
        cursor: &mut Cursor,
        listing: Listing<'_>,
        page: &mut Page,
    ) -> Result<bool, ConnectorError> {
        let mut has_begun = false;
        while let Some(mailbox) = cursor.mailboxes.get(cursor.at) {
            let first = if cursor.only_new { mailbox.known.max(1) } else { 1 };
            let last = mailbox.now.next.saturating_sub(1);
            if first > last || mailbox.now.mails == 0 {
                cursor.advance();
                continue;
            }
            if has_begun && Instant::now() >= listing.until {
                return Ok(false);
            }
            has_begun = true;
            match connection.examine(&mailbox.now.name).await {
                Ok(opened) if opened.validity == mailbox.now.validity => {}
                // It was made anew since the listing began.
                Ok(_) => {
                    page.unreadable += 1;
                    cursor.advance();
                    continue;
                }
                Err(error) => {
                    self.leave_out(&mailbox.path, error, page)?;
                    cursor.advance();
                    continue;
                }
            }
            let windows = match cursor.windows.take() {
                Some(windows) => windows,
                None => {
                    let uids = connection.search(first, last, &self.condition()).await?;
                    windows_of(&uids, listing.limit)
                }
            };
            let mut left = windows.as_slice();
            while let [window, rest @ ..] = left {
                let is_full = page.entries.len() + window.count > listing.limit;
                if !page.entries.is_empty() && (is_full || Instant::now() >= listing.until) {
                    cursor.windows = Some(left.to_vec());
                    return Ok(false);
                }
                self.list_window(connection, mailbox, *window, page).await?;
                left = rest;
            }
            cursor.advance();
        }
        Ok(true)
    }

    async fn list_window(
        &self,
        connection: &mut Connection,
        mailbox: &Listed,
        window: Window,
        page: &mut Page,
    ) -> Result<(), ConnectorError> {
        let before = page.entries.len();
        let known_last = window.last.min(mailbox.known.saturating_sub(1));
        let new_first = window.first.max(mailbox.known);
        for (first, last, wanted) in
            [(window.first, known_last, Wanted::Size), (new_first, window.last, Wanted::Headers)]
        {
            if first <= last {
                let uids = format!("{first}:{last}");
                let mails = connection.fetch(&uids, wanted, |uid| (first..=last).contains(&uid)).await?;
                let recent = mails.iter().filter(|mail| self.is_recent(mail));
                page.entries.extend(recent.map(|mail| entry(self, mailbox.place(), mail)));
            }
        }
        // Deleted a moment ago, or left out by a server that cannot read them: the next listing tells.
        page.unreadable += window.count.saturating_sub(page.entries.len() - before) as u64;
        Ok(())
    }

    fn condition(&self) -> String {
        self.since.map_or_else(String::new, |since| format!(" SINCE {}", since.format("%-d-%b-%Y")))
    }

    /// What servers understand by SINCE: the day in the time zone that they tell the time in.
    fn is_recent(&self, mail: &FetchedMail) -> bool {
        match (self.since, mail.received_at) {
            (Some(since), Some(time)) => time.date_naive() >= since,
            _ => true,
        }
    }
}

/// Whether a mailbox has all mails that it had, and maybe new ones. Takes a closer look at it if it has changed.
async fn has_lost_none(
    connection: &mut Connection,
    mailboxes: &mut [Listed],
    before: &Snapshot,
) -> Result<bool, ConnectorError> {
    let Some(mailbox) = mailboxes.iter_mut().find(|mailbox| mailbox.now.name == before.name) else {
        return Ok(false);
    };
    if mailbox.now == *before {
        return Ok(true);
    }
    if mailbox.now.validity != before.validity || mailbox.now.mails < before.mails {
        return Ok(false);
    }
    // Both numbers from one moment.
    let now = Snapshot::new(&before.name, connection.examine(&before.name).await?);
    if now.validity != before.validity || now.next < before.next {
        return Ok(false);
    }
    let new = match now.next > before.next {
        true => connection.search(before.next, now.next - 1, "").await?.len(),
        false => 0,
    };
    let has_all = usize::try_from(now.mails.saturating_sub(before.mails)) == Ok(new);
    mailbox.now = now;
    Ok(has_all)
}

fn windows_of(uids: &[u32], limit: usize) -> Vec<Window> {
    let windows = uids
        .chunks(limit.max(1))
        .filter_map(|uids| Some(Window { first: *uids.first()?, last: *uids.last()?, count: uids.len() }));
    windows.collect()
}
