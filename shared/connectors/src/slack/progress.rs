//! What a listing remembers from page to page, and leaves for the next one.

use std::collections::{BTreeSet, VecDeque};

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::channels::{Channel, Workspace};
use super::mrkdwn::Names;
use super::time::{day_of, time_of};
use crate::ConnectorError;

/// How far a listing has come.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) workspace: Workspace,
    /// When it began.
    pub(super) began: DateTime<Utc>,
    /// Whether only the last days are listed.
    pub(super) only_recent: bool,
    /// When the last listing of all messages began: this one, unless it is of the last days only.
    pub(super) complete: DateTime<Utc>,
    pub(super) names: Names,
    /// Channels that are not complete; the first one is being listed.
    pub(super) left: VecDeque<ChannelProgress>,
    /// What is remembered of those that are.
    pub(super) done: Vec<Remembered>,
}

/// How far a channel has come, from its newest message to older ones.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChannelProgress {
    pub(super) channel: Channel,
    /// The first day that is listed, if any is.
    pub(super) from: Option<NaiveDate>,
    /// Days from this one on are listed.
    pub(super) before: Option<NaiveDate>,
    /// Whether all days are listed.
    pub(super) is_at_end: bool,
    /// Threads and files of days that are listed.
    pub(super) pending: VecDeque<Pending>,
    /// The documents that were found, as far as they are remembered.
    pub(super) found: Remembered,
    /// Those that the last listing left.
    pub(super) known: Remembered,
}

/// A document that is to be listed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Pending {
    /// A thread whose replies are read first.
    Thread {
        /// Its first message.
        ts: String,
    },
    /// A document that is read when it has changed.
    Unread(Box<Unread>),
}

/// The parts of an entry without bytes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Unread {
    pub(super) uri: String,
    pub(super) location: String,
    pub(super) file_name: String,
    pub(super) file_path: String,
    pub(super) size_bytes: u64,
    pub(super) change_hint: Option<String>,
    pub(super) mime_type: Option<String>,
    pub(super) modified_at: Option<DateTime<Utc>>,
    pub(super) title: Option<String>,
    pub(super) url: Option<String>,
    pub(super) metadata: Option<domain::DocumentMetadata>,
}

/// The documents of a channel whose messages may still change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    /// The channel's id.
    pub(super) channel: String,
    /// Days, threads and files of the last days, by the end of their URI.
    pub(super) keys: BTreeSet<String>,
    /// Threads with replies in the last days.
    pub(super) active: BTreeSet<String>,
}

/// What a listing leaves for the next one.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    /// When the listing began.
    pub(super) listed: DateTime<Utc>,
    /// When the last one of all messages began.
    pub(super) complete: DateTime<Utc>,
    pub(super) names: Names,
    pub(super) channels: Vec<Remembered>,
}

impl Progress {
    pub(super) fn parse(cursor: &str) -> Result<Self, ConnectorError> {
        serde_json::from_str(cursor).map_err(|error| {
            ConnectorError::invalid(
                "cursor",
                format!("not of this connector ({error}); start the listing again"),
            )
        })
    }

    /// The first day whose messages are read again in every sync.
    pub(super) fn recent_from(&self, days: u16) -> NaiveDate {
        recent_from(self.began, days)
    }
}

/// The first of the last days.
pub(super) fn recent_from(now: DateTime<Utc>, days: u16) -> NaiveDate {
    now.date_naive().checked_sub_days(Days::new(days.into())).unwrap_or(NaiveDate::MIN)
}

/// The day that a key of [`Remembered::keys`] belongs to: `2026-11-27`, `1700000000.0001`, `1700000000.0001/F1`.
pub(super) fn day_of_key(key: &str) -> Option<NaiveDate> {
    let start = key.split('/').next()?;
    start.parse().ok().or_else(|| day_of(start))
}

impl Remembered {
    /// Notes a document, if it is of the last days.
    pub(super) fn note(&mut self, key: String, recent_from: NaiveDate) {
        if day_of_key(&key).is_some_and(|day| day >= recent_from) {
            self.keys.insert(key);
        }
    }

    /// Notes a thread, if its last reply is of the last days.
    pub(super) fn note_thread(&mut self, ts: &str, latest: &str, recent_from: NaiveDate) {
        if time_of(latest).is_some_and(|time| time.date_naive() >= recent_from) {
            self.active.insert(ts.to_owned());
        }
    }
}

impl From<crate::Entry> for Unread {
    fn from(entry: crate::Entry) -> Self {
        Self {
            uri: entry.uri,
            location: entry.location,
            file_name: entry.file_name,
            file_path: entry.file_path,
            size_bytes: entry.size_bytes,
            change_hint: entry.change_hint,
            mime_type: entry.mime_type,
            modified_at: entry.modified_at,
            title: entry.title,
            url: entry.url,
            metadata: entry.metadata,
        }
    }
}

impl From<Unread> for crate::Entry {
    fn from(unread: Unread) -> Self {
        Self {
            uri: unread.uri,
            location: unread.location,
            file_name: unread.file_name,
            file_path: unread.file_path,
            size_bytes: unread.size_bytes,
            change_hint: unread.change_hint,
            mime_type: unread.mime_type,
            modified_at: unread.modified_at,
            title: unread.title,
            url: unread.url,
            metadata: unread.metadata,
            content: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_know_their_day() {
        for (key, day) in [
            ("2025-11-27", Some("2025-11-27")),
            ("1764154800.000100", Some("2025-11-26")),
            ("1764154800.000100/F1", Some("2025-11-26")),
            ("x", None),
        ] {
            assert_eq!(day_of_key(key).map(|day| day.to_string()).as_deref(), day, "{key}");
        }
    }
}
