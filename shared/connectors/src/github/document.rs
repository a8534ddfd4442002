//! A thread of GitHub as a document: Markdown, and metadata.

use std::fmt::Write;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::DocumentMetadata;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Entry;

/// Who wrote something; `None` for accounts that are gone.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Author {
    pub(crate) login: String,
}

/// What begins a thread.
#[derive(Debug)]
pub(crate) struct Thread<'a> {
    pub(crate) repository: &'a str,
    pub(crate) kind: Kind,
    pub(crate) number: u64,
    pub(crate) title: &'a str,
    pub(crate) body: &'a str,
    pub(crate) state: &'a str,
    pub(crate) author: Option<&'a Author>,
    pub(crate) labels: Vec<&'a str>,
    /// A milestone or a category.
    pub(crate) group: Option<(&'static str, &'a str)>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) closed_at: Option<DateTime<Utc>>,
}

/// What follows.
#[derive(Debug)]
pub(crate) struct Reply {
    /// What it is, such as `Comment`.
    pub(crate) what: String,
    pub(crate) author: Option<Author>,
    pub(crate) at: Option<DateTime<Utc>>,
    pub(crate) body: String,
}

/// The kinds of threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Issue,
    PullRequest,
    Discussion,
}

impl Kind {
    /// Its name in metadata.
    fn name(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::PullRequest => "pull_request",
            Self::Discussion => "discussion",
        }
    }

    /// Its place in URLs.
    pub(crate) fn segment(self) -> &'static str {
        match self {
            Self::Issue => "issues",
            Self::PullRequest => "pull",
            Self::Discussion => "discussions",
        }
    }

    pub(crate) fn of_segment(segment: &str) -> Option<Self> {
        [Self::Issue, Self::PullRequest, Self::Discussion].into_iter().find(|kind| kind.segment() == segment)
    }
}

/// What identifies the version of a thread, in listings and when it is read.
pub(crate) fn change_hint(updated_at: DateTime<Utc>) -> String {
    updated_at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Begins a new section for everything that somebody wrote, so that chunks and their headings say who wrote them.
pub(crate) fn markdown(thread: &Thread<'_>, replies: &[Reply]) -> Bytes {
    let mut text = format!("# {}\n\n", thread.title.trim());
    let kind = thread.kind.name().replace('_', " ");
    let (number, repository, state) = (thread.number, thread.repository, thread.state);
    let begun = by(thread.author, Some(thread.created_at));
    // Writing to a string does not fail.
    let _ = write!(text, "{repository}, {kind} #{number}, {state}, opened{begun}");
    if !thread.labels.is_empty() {
        let _ = write!(text, "; labels: {}", thread.labels.join(", "));
    }
    let _ = write!(text, "\n\n{}\n", thread.body.trim());
    for reply in replies {
        let _ = write!(
            text,
            "\n## {}{}\n\n{}\n",
            reply.what,
            by(reply.author.as_ref(), reply.at),
            reply.body.trim()
        );
    }
    text.into()
}

fn by(author: Option<&Author>, at: Option<DateTime<Utc>>) -> String {
    let name = author.map_or("a deleted account", |author| author.login.as_str());
    let on = at.map_or_else(String::new, |at| format!(" on {}", at.format("%Y-%m-%d")));
    format!(" by {name}{on}")
}

/// Describes a thread in a listing. `content` is its Markdown if it has no replies.
pub(crate) fn entry(thread: &Thread<'_>, web: &str, content: Option<Bytes>) -> Entry {
    let (segment, repository, number) = (thread.kind.segment(), thread.repository, thread.number);
    let url = format!("{web}/{repository}/{segment}/{number}");
    Entry {
        location: format!("{segment} {repository} {number}"),
        file_name: format!("{}-{number}.md", thread.kind.name()),
        file_path: format!("{repository}/{segment}/{number}.md"),
        size_bytes: content.as_ref().map_or(0, |content| content.len() as u64),
        change_hint: Some(change_hint(thread.updated_at)),
        mime_type: Some("text/markdown".to_owned()),
        modified_at: Some(thread.updated_at),
        title: Some(thread.title.trim().to_owned()),
        url: Some(url.clone()),
        uri: url,
        metadata: metadata(thread),
        content,
    }
}

fn metadata(thread: &Thread<'_>) -> Option<DocumentMetadata> {
    /// Fewer than the entries of a document, with the others.
    const MAX_LABELS: usize = 20;
    let mut map = Map::new();
    let mut insert = |key: &str, text: &str| {
        let text: String =
            text.chars().filter(|char| *char != '\0').take(DocumentMetadata::MAX_TEXT_LENGTH).collect();
        map.insert(key.to_owned(), Value::String(text));
    };
    insert("kind", thread.kind.name());
    insert("repository", thread.repository);
    insert("state", thread.state);
    insert("created_at", &change_hint(thread.created_at));
    if let Some(author) = thread.author {
        insert("author", &author.login);
    }
    if let Some(closed_at) = thread.closed_at {
        insert("closed_at", &change_hint(closed_at));
    }
    if let Some((name, value)) = thread.group {
        insert(name, value);
    }
    if !thread.labels.is_empty() {
        insert("labels", &thread.labels.join(", "));
    }
    map.insert("number".to_owned(), json!(thread.number));
    // Filters compare whole values, so each label has an entry of its own, too.
    for label in thread.labels.iter().take(MAX_LABELS) {
        map.insert(label_key(label), json!(true));
    }
    match DocumentMetadata::parse(&map) {
        Ok(metadata) => Some(metadata),
        Err(errors) => {
            tracing::warn!(number = thread.number, ?errors, "metadata of a thread is not valid");
            None
        }
    }
}

/// `label.` and the name, as far as keys allow.
fn label_key(label: &str) -> String {
    let allowed = |char: char| if char.is_ascii_alphanumeric() || "_.-".contains(char) { char } else { '_' };
    let key = "label.".chars().chain(label.chars().map(allowed));
    key.take(DocumentMetadata::MAX_KEY_LENGTH).collect()
}
