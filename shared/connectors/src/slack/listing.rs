//! Listing: the first time every message, later those of the last days, which is where people write, edit and delete.
//!
//! Slack has no list of changes. All messages are read from time to time, which finds what is older. Messages of the last days are read again in every sync, and so are threads with replies
//! in them, however old they are, because edits of replies show nowhere else.

use std::time::Instant;

use chrono::{Duration, NaiveDate, Utc};
use domain::{Classify, ErrorKind};

use super::SlackSource;
use super::api::Api;
use super::document::{Place, file_key, singles};
use super::history::{newest_days, thread, workspace};
use super::message::Message;
use super::people::learn_names;
use super::progress::{ChannelProgress, Checkpoint, Pending, Progress, Remembered, day_of_key, recent_from};
use super::time::day_of;
use crate::clients::Clients;
use crate::{ConnectorError, Entry, Listing, Page, Unlisted};

/// Days after which all messages are read again.
const COMPLETE_EVERY: i64 = 30;
/// Bytes of texts after which a page ends: they are in memory until it is stored.
const PAGE_BYTES: u64 = 8 * 1024 * 1024;

impl SlackSource {
    /// Lists one page.
    pub(crate) async fn list_page(
        &self,
        clients: &Clients,
        listing: Listing<'_>,
    ) -> Result<Page, ConnectorError> {
        let api = Api::new(clients, &self.api_url)?;
        let mut progress = match listing.cursor {
            Some(cursor) => Progress::parse(cursor)?,
            None => self.begin(&api, listing).await?,
        };
        let mut page = Page::default();
        let known_names = progress.names.len();
        let mut has_moved = listing.cursor.is_none();
        let filled = self.fill(&api, &mut progress, listing, &mut page, &mut has_moved).await;
        has_moved |= progress.names.len() > known_names;
        match filled {
            // What was listed is stored, and the rest waits.
            Err(error) if error.kind() == ErrorKind::Throttled && has_moved => {}
            filled => filled?,
        }
        if progress.only_recent {
            page.unlisted = Unlisted::Unchanged;
        }
        let text = |error| ConnectorError::unavailable("the listing", error);
        if progress.left.is_empty() {
            let Progress { began: listed, complete, names, done: channels, .. } = progress;
            let checkpoint = Checkpoint { listed, complete, names, channels };
            page.checkpoint = Some(serde_json::to_string(&checkpoint).map_err(text)?);
        } else {
            page.next = Some(serde_json::to_string(&progress).map_err(text)?);
        }
        Ok(page)
    }

    async fn begin(&self, api: &Api<'_>, listing: Listing<'_>) -> Result<Progress, ConnectorError> {
        let began = Utc::now();
        let workspace = workspace(api, listing.until).await?;
        let channels = self.resolve_channels(api, listing.until).await?;
        let checkpoint: Option<Checkpoint> =
            listing.checkpoint.and_then(|text| serde_json::from_str(text).ok());
        let known = |id: &str| {
            let mut all = checkpoint.iter().flat_map(|checkpoint| &checkpoint.channels);
            all.find(|remembered| remembered.channel == id).cloned()
        };
        let complete = checkpoint.as_ref().map(|checkpoint| checkpoint.complete);
        let is_due = complete.is_none_or(|complete| began - complete >= Duration::days(COMPLETE_EVERY));
        let only_recent = !is_due && channels.iter().all(|channel| known(&channel.id).is_some());
        let recent = recent_from(began, self.edits_for_days);
        let listed = checkpoint.as_ref().map(|checkpoint| checkpoint.listed.date_naive());
        let from = listed.filter(|_| only_recent).map(|listed| listed.min(recent));
        let from = from.max(self.since);
        let left = channels.into_iter().map(|channel| {
            let known = known(&channel.id).filter(|_| only_recent).unwrap_or_default();
            let is_older = |ts: &&String| day_of(ts).zip(from).is_some_and(|(day, from)| day < from);
            let pending = known.active.iter().filter(is_older);
            ChannelProgress {
                pending: pending.map(|ts| Pending::Thread { ts: ts.clone() }).collect(),
                from,
                before: None,
                is_at_end: false,
                found: Remembered { channel: channel.id.clone(), ..Remembered::default() },
                known,
                channel,
            }
        });
        let left = left.collect();
        let names = checkpoint.map(|checkpoint| checkpoint.names).filter(|_| only_recent).unwrap_or_default();
        let complete = complete.filter(|_| only_recent).unwrap_or(began);
        Ok(Progress { workspace, began, only_recent, complete, names, left, done: Vec::new() })
    }

    /// Adds documents until the page is full.
    async fn fill(
        &self,
        api: &Api<'_>,
        progress: &mut Progress,
        listing: Listing<'_>,
        page: &mut Page,
        has_moved: &mut bool,
    ) -> Result<(), ConnectorError> {
        while let Some(channel) = progress.left.front() {
            let bytes: u64 = page
                .entries
                .iter()
                .filter_map(|entry| entry.content.as_ref())
                .map(|text| text.len() as u64)
                .sum();
            let is_full = page.entries.len() >= listing.limit || bytes >= PAGE_BYTES;
            if is_full || (*has_moved && Instant::now() >= listing.until) {
                return Ok(());
            }
            if !channel.pending.is_empty() {
                self.list_pending(api, progress, listing, page).await?;
            } else if !channel.is_at_end {
                self.list_days(api, progress, listing, page).await?;
            } else {
                end_channel(progress, page);
            }
            *has_moved = true;
        }
        Ok(())
    }

    /// Lists the next thread or file of a day that is listed.
    async fn list_pending(
        &self,
        api: &Api<'_>,
        progress: &mut Progress,
        listing: Listing<'_>,
        page: &mut Page,
    ) -> Result<(), ConnectorError> {
        let recent = progress.recent_from(self.edits_for_days);
        let Progress { workspace, only_recent, names, left, .. } = progress;
        let Some(current) = left.front_mut() else { return Ok(()) };
        let place = Place { workspace, channel: &current.channel };
        let ts = match current.pending.front() {
            Some(Pending::Thread { ts }) => ts.clone(),
            _ => {
                if let Some(Pending::Unread(unread)) = current.pending.pop_front() {
                    page.entries.push(Entry::from(*unread));
                }
                return Ok(());
            }
        };
        let messages = match thread(api, &current.channel, &ts, listing.until).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        learn_names(api, &messages, names, listing.until).await?;
        current.pending.pop_front();
        let root = messages.first().filter(|root| root.begins_thread());
        let Some(root) = root else {
            // It was deleted, or its replies were, so that it is one of the messages of its day.
            if *only_recent {
                page.gone.push(place.uri(&ts));
            }
            return Ok(());
        };
        let noted_from = noted_from(*only_recent, current.from, recent);
        current.found.note(root.ts.clone(), noted_from);
        current.found.note_thread(&root.ts, root.latest_reply.as_deref().unwrap_or(&root.ts), recent);
        page.entries.extend(place.thread_with_text(&messages, names));
        if self.includes_files {
            for message in messages.iter().filter(|message| message.is_said()) {
                for file in message.files.iter().filter(|file| file.is_hosted()) {
                    current.found.note(file_key(message, file), noted_from);
                    current
                        .pending
                        .push_back(Pending::Unread(Box::new(place.file(message, file, names).into())));
                }
            }
        }
        Ok(())
    }

    /// Lists the next days, from the newest to older ones.
    async fn list_days(
        &self,
        api: &Api<'_>,
        progress: &mut Progress,
        listing: Listing<'_>,
        page: &mut Page,
    ) -> Result<(), ConnectorError> {
        let recent = progress.recent_from(self.edits_for_days);
        let Progress { workspace, only_recent, names, left, .. } = progress;
        let Some(current) = left.front_mut() else { return Ok(()) };
        let read = newest_days(api, &current.channel, current.from, current.before, listing.until).await?;
        let place = Place { workspace, channel: &current.channel };
        let noted_from = noted_from(*only_recent, current.from, recent);
        for (day, messages) in read.days {
            // What is left is read again from the last listed day on.
            if page.entries.len() >= listing.limit {
                return Ok(());
            }
            learn_names(api, &messages, names, listing.until).await?;
            let singles = singles(&messages);
            if let Some(entry) = place.day(day, &singles, names) {
                current.found.note(day.to_string(), noted_from);
                page.entries.push(entry);
            }
            for root in messages.iter().filter(|message| message.begins_thread()) {
                current.found.note(root.ts.clone(), noted_from);
                current.pending.push_back(if self.includes_files || is_recent(root, recent) {
                    Pending::Thread { ts: root.ts.clone() }
                } else {
                    Pending::Unread(Box::new(place.thread(root, names).into()))
                });
            }
            if self.includes_files {
                for message in &singles {
                    for file in message.files.iter().filter(|file| file.is_hosted()) {
                        current.found.note(file_key(message, file), noted_from);
                        let entry = place.file(message, file, names);
                        current.pending.push_back(Pending::Unread(Box::new(entry.into())));
                    }
                }
            }
            current.before = Some(day);
        }
        current.is_at_end = read.is_all;
        Ok(())
    }
}

/// Ends a channel, and says which documents of the days that were read again are gone.
fn end_channel(progress: &mut Progress, page: &mut Page) {
    let Some(current) = progress.left.pop_front() else { return };
    let place = Place { workspace: &progress.workspace, channel: &current.channel };
    if progress.only_recent {
        let is_read_again =
            |key: &&String| day_of_key(key).zip(current.from).is_some_and(|(day, from)| day >= from);
        let gone = current.known.keys.difference(&current.found.keys).filter(is_read_again);
        page.gone.extend(gone.map(|key| place.uri(key)));
    }
    progress.done.push(current.found);
}

/// Whether the replies of a thread are read while it is listed.
fn is_recent(root: &Message, recent: NaiveDate) -> bool {
    let latest = root.latest_reply.as_deref().unwrap_or(&root.ts);
    day_of(latest).is_some_and(|day| day >= recent)
}

/// Documents from this day on are remembered: all that the next listing could miss.
fn noted_from(only_recent: bool, from: Option<NaiveDate>, recent: NaiveDate) -> NaiveDate {
    from.filter(|_| only_recent).unwrap_or(recent)
}
