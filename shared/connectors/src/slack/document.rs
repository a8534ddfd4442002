//! Messages as documents: a thread is one, and so are the other messages of a day.
//!
//! Single messages are too short to be found by what they mean, and are read together by people, too.

use std::fmt::Write;

use chrono::NaiveDate;
use domain::DocumentMetadata;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::channels::{Channel, Workspace};
use super::message::{File, Message};
use super::mrkdwn::{Names, to_markdown};
use super::people::author;
use super::time::{day_of, digits, time_of};
use crate::Entry;

/// Where a document's messages are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) channel: &'a Channel,
}

/// What opens a document, as [`Entry::location`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    /// The thread of a message of a channel.
    Thread { channel: Channel, ts: String },
    /// A file, by its id.
    File { id: String },
    /// The messages of a day. Their text comes with the listing, but may have to be read once more.
    Day { channel: Channel, day: NaiveDate },
}

/// The most characters of a title.
const MAX_TITLE: usize = 100;

impl Location {
    pub(super) fn parse(location: &str) -> Option<Self> {
        let mut parts = location.splitn(4, '/');
        match (parts.next()?, parts.next()?, parts.next(), parts.next()) {
            ("thread", id, Some(ts), Some(name)) => {
                Some(Self::Thread { channel: Channel { id: id.into(), name: name.into() }, ts: ts.into() })
            }
            ("file", id, None, None) => Some(Self::File { id: id.into() }),
            ("day", id, Some(day), Some(name)) => Some(Self::Day {
                channel: Channel { id: id.into(), name: name.into() },
                day: day.parse().ok()?,
            }),
            _ => None,
        }
    }
}

impl Place<'_> {
    /// Identifies a document of the channel.
    pub(super) fn uri(&self, key: &str) -> String {
        format!("slack://{}/{}/{key}", self.workspace.id, self.channel.id)
    }

    /// Where people read a message.
    fn url(&self, ts: &str) -> String {
        let base = self.workspace.url.trim_end_matches('/');
        format!("{base}/archives/{}/p{}", self.channel.id, digits(ts))
    }

    /// The document of a thread, without its text.
    pub(super) fn thread(&self, root: &Message, names: &Names) -> Entry {
        let Self { channel, .. } = self;
        let day = day_of(&root.ts).map(|day| day.to_string()).unwrap_or_default();
        let last = root.latest_reply.as_deref().unwrap_or(&root.ts);
        Entry {
            uri: self.uri(&root.ts),
            location: format!("thread/{}/{}/{}", channel.id, root.ts, channel.name),
            file_name: format!("{}.md", root.ts),
            file_path: format!("{}/{day}/{}.md", channel.name, root.ts),
            change_hint: Some(thread_hint(root)),
            mime_type: Some("text/markdown".to_owned()),
            modified_at: time_of(last),
            title: Some(thread_title(channel, root, names)),
            url: Some(self.url(&root.ts)),
            metadata: Some(self.metadata("thread", &day, Some(&author(root, names)))),
            ..Entry::default()
        }
    }

    /// The document of a thread with its text. It is known by that, because edits of replies do not show otherwise.
    pub(super) fn thread_with_text(&self, thread: &[Message], names: &Names) -> Option<Entry> {
        let root = thread.first()?;
        Some(with_content(self.thread(root, names), thread_text(self.channel, thread, names)))
    }

    /// The document of the messages of a day that began no thread, oldest first; `None` if there are none.
    pub(super) fn day(&self, day: NaiveDate, messages: &[Message], names: &Names) -> Option<Entry> {
        let first = messages.first()?;
        let name = &self.channel.name;
        let entry = Entry {
            uri: self.uri(&day.to_string()),
            location: format!("day/{}/{day}/{name}", self.channel.id),
            file_name: format!("{day}.md"),
            file_path: format!("{name}/{day}.md"),
            mime_type: Some("text/markdown".to_owned()),
            modified_at: messages.last().and_then(|last| time_of(&last.ts)),
            title: Some(day_title(self.channel, day)),
            url: Some(self.url(&first.ts)),
            metadata: Some(self.metadata("day", &day.to_string(), None)),
            ..Entry::default()
        };
        Some(with_content(entry, day_text(self.channel, day, messages, names)))
    }

    /// The document of a file in a message.
    pub(super) fn file(&self, message: &Message, file: &File, names: &Names) -> Entry {
        let day = day_of(&message.ts).map(|day| day.to_string()).unwrap_or_default();
        let file_name = file.file_name();
        Entry {
            uri: self.uri(&file_key(message, file)),
            location: format!("file/{}", file.id),
            file_path: format!("{}/{day}/{file_name}", self.channel.name),
            file_name,
            size_bytes: file.size,
            change_hint: Some(format!("{}-{}-{}", file.id, file.timestamp, file.size)),
            mime_type: file.mimetype.clone().filter(|kind| !kind.is_empty()),
            modified_at: time_of(&message.ts),
            title: file.title.clone().filter(|title| !title.trim().is_empty()),
            url: Some(file.permalink.clone().unwrap_or_else(|| self.url(&message.ts))),
            metadata: Some(self.metadata("file", &day, Some(&author(message, names)))),
            ..Entry::default()
        }
    }

    /// What searches can filter by.
    fn metadata(&self, kind: &str, day: &str, author: Option<&str>) -> DocumentMetadata {
        let mut map = Map::new();
        let channel = (!self.channel.name.is_empty()).then_some(self.channel.name.as_str());
        for (key, value) in
            [("channel", channel), ("kind", Some(kind)), ("date", Some(day)), ("author", author)]
        {
            if let Some(value) = value {
                let value: String = value.chars().take(DocumentMetadata::MAX_TEXT_LENGTH).collect();
                map.insert(key.to_owned(), Value::String(value.replace('\0', "")));
            }
        }
        DocumentMetadata::parse(&map).unwrap_or_default()
    }
}

/// The text of a thread.
pub(super) fn thread_text(channel: &Channel, thread: &[Message], names: &Names) -> String {
    let Some(root) = thread.first() else { return String::new() };
    let mut text = format!("# #{}: {}\n", channel.name, thread_title(channel, root, names));
    for message in thread.iter().filter(|message| message.is_said()) {
        append(&mut text, message, names, "%Y-%m-%d %H:%M UTC");
    }
    text
}

/// The beginning of the first message.
fn thread_title(channel: &Channel, root: &Message, names: &Names) -> String {
    let text = if root.is_said() { to_markdown(&root.text, names) } else { String::new() };
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && *line != "```");
    match line {
        None => format!("Thread in #{}", channel.name),
        Some(line) if line.chars().count() <= MAX_TITLE => line.to_owned(),
        Some(line) => format!("{}…", line.chars().take(MAX_TITLE).collect::<String>().trim_end()),
    }
}

/// The messages of a day that are its document, oldest first.
pub(super) fn singles(newest_first: &[Message]) -> Vec<Message> {
    let is_single = |message: &&Message| !message.begins_thread() && !message.is_reply() && message.is_said();
    newest_first.iter().rev().filter(is_single).cloned().collect()
}

/// The text of the messages of a day.
pub(super) fn day_text(channel: &Channel, day: NaiveDate, messages: &[Message], names: &Names) -> String {
    let mut text = format!("# {}\n", day_title(channel, day));
    for message in messages {
        append(&mut text, message, names, "%H:%M UTC");
    }
    text
}

fn day_title(channel: &Channel, day: NaiveDate) -> String {
    format!("#{}, {day}", channel.name)
}

/// Identifies a file within its channel: the same file may be shared in several messages.
pub(super) fn file_key(message: &Message, file: &File) -> String {
    format!("{}/{}", message.ts, file.id)
}

/// Changes with what Slack says of a thread in its first message: that, its edits, and the number and time of replies.
pub(super) fn thread_hint(root: &Message) -> String {
    let edited = root.edited.as_ref().map_or("", |edited| edited.ts.as_str());
    let latest = root.latest_reply.as_deref().unwrap_or_default();
    let said = if root.is_said() { root.text.as_str() } else { "" };
    format!("t-{}", hash(format!("{edited}\0{}\0{latest}\0{said}", root.reply_count).as_bytes()))
}

fn with_content(entry: Entry, text: String) -> Entry {
    Entry {
        size_bytes: text.len() as u64,
        change_hint: Some(format!("c-{}", hash(text.as_bytes()))),
        content: Some(text.into()),
        ..entry
    }
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(16).fold(String::new(), |hash, byte| hash + &format!("{byte:02x}"))
}

/// Appends a message: who said it and when, then what.
fn append(text: &mut String, message: &Message, names: &Names, time: &str) {
    let author = author(message, names);
    let time = time_of(&message.ts).map(|at| at.format(time).to_string()).unwrap_or_default();
    let mut said = to_markdown(&message.text, names);
    for line in message.attached_lines() {
        let _ = write!(said, "\n\n{}", to_markdown(&line, names));
    }
    for file in &message.files {
        let _ = write!(said, "\n\n(file: {})", file.file_name());
    }
    let _ = write!(text, "\n**{author}**, {time}:\n\n{}\n", said.trim());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(ts: &str, user: &str, text: &str) -> Message {
        Message { ts: ts.into(), user: Some(user.into()), text: text.into(), ..Message::default() }
    }

    #[test]
    fn thread_is_a_document_with_authors_and_times() {
        let workspace = Workspace { id: "T1".into(), url: "https://acme.slack.com/".into() };
        let channel = Channel { id: "C1".into(), name: "general".into() };
        let place = Place { workspace: &workspace, channel: &channel };
        let names = Names::from([("U1".into(), "Ada".into()), ("U2".into(), "Bob".into())]);
        let mut root = message("1764154800.000100", "U1", "Is *this* right?\nI ask <@U2>.");
        (root.thread_ts, root.reply_count) = (Some(root.ts.clone()), 1);
        let reply = message("1764158400.000000", "U2", "Yes");
        let entry = place.thread_with_text(&[root.clone(), reply], &names).unwrap();
        assert_eq!(entry.uri, "slack://T1/C1/1764154800.000100");
        assert_eq!(entry.url.as_deref(), Some("https://acme.slack.com/archives/C1/p1764154800000100"));
        assert_eq!(
            str::from_utf8(&entry.content.unwrap()).unwrap(),
            "# #general: Is **this** right?\n\n**Ada**, 2025-11-26 11:00 UTC:\n\nIs **this** right?\nI ask @Bob.\n\n\
             **Bob**, 2025-11-26 12:00 UTC:\n\nYes\n"
        );
        let opened = Location::Thread { channel: channel.clone(), ts: root.ts.clone() };
        assert_eq!(Location::parse(&entry.location), Some(opened));
    }

    #[test]
    fn hint_of_a_thread_changes_with_what_its_first_message_says() {
        let root = message("1.0", "U1", "a");
        let hint = thread_hint(&root);
        assert_ne!(thread_hint(&Message { text: "b".into(), ..root.clone() }), hint);
        assert_ne!(thread_hint(&Message { reply_count: 1, ..root.clone() }), hint);
        assert_ne!(thread_hint(&Message { latest_reply: Some("2.0".into()), ..root.clone() }), hint);
        assert_eq!(thread_hint(&Message { user: None, ..root }), hint);
    }
}
