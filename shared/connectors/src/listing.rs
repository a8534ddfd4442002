//! What a source is asked to list, and what the listing yields.

use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::DocumentMetadata;

use crate::crawl::{CrawlStep, DuePage};

/// What a source is asked to list: one page of its documents.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'a> {
    /// Where the page before ended, its [`Page::next`]; `None` for the first page.
    pub cursor: Option<&'a str>,
    /// What the last listing that was indexed without a failure left, its [`Page::checkpoint`].
    pub checkpoint: Option<&'a str>,
    /// The pages of a crawl that are to be visited next, at most [`DuePage::MAX`].
    pub due: &'a [DuePage],
    /// The most entries wanted, from 1 to [`Page::MAX_ENTRIES`].
    pub limit: usize,
    /// When the page must be complete. A source that fetches documents to list them, one after the other, stops
    /// before, after at least one.
    pub until: Instant,
}

impl<'a> Listing<'a> {
    /// A page of a listing from the cursor on, without memory of earlier listings.
    pub fn from_cursor(cursor: Option<&'a str>) -> Self {
        Self {
            cursor,
            checkpoint: None,
            due: &[],
            limit: Page::MAX_ENTRIES,
            until: Instant::now() + Duration::from_secs(20),
        }
    }
}

/// One page of a source's documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// At most [`Page::MAX_ENTRIES`] documents.
    pub entries: Vec<Entry>,
    /// The cursor of the next page; `None` on the last one.
    pub next: Option<String>,
    /// Documents and folders that were not listed: they may not be read, or failed temporarily. They may still exist,
    /// so a listing with any cannot tell which documents are gone.
    pub unreadable: u64,
    /// URIs of documents that the source does not contain any more, of a source that can tell so although it lists changes
    /// only.
    pub gone: Vec<String>,
    /// What this listing says of documents that are on none of its pages. The same on all pages.
    pub unlisted: Unlisted,
    /// On the last page, what the next listing starts from, if the source can tell what changed since.
    pub checkpoint: Option<String>,
    /// What a crawl found, of a source that is crawled.
    pub crawl: CrawlStep,
}

impl Page {
    /// The most documents in one page, which is what one S3 request lists.
    pub const MAX_ENTRIES: usize = 1000;
}

/// What a listing says of documents that it does not list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unlisted {
    /// The source does not contain them any more.
    #[default]
    Gone,
    /// They are as they were: only changes since the checkpoint are listed.
    Unchanged,
}

/// One document of a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Identifies the document, the same in every listing: `file:///…`, `s3://bucket/key`, `https://…`.
    pub uri: String,
    /// What [`crate::SourceSession::open`] needs to find the bytes.
    pub location: String,
    /// The name without folders.
    pub file_name: String,
    /// The path within the source, for users.
    pub file_path: String,
    /// In bytes; 0 if it is not known.
    pub size_bytes: u64,
    /// Changes whenever the bytes do: an ETag, or modification time and size. `None` if the source cannot tell; then
    /// the bytes are read every time.
    pub change_hint: Option<String>,
    /// The media type, declared by the source or suggested by the name.
    pub mime_type: Option<String>,
    /// Time of the last modification.
    pub modified_at: Option<DateTime<Utc>>,
    /// Its title, if the source knows a better one than the document itself.
    pub title: Option<String>,
    /// Where people find it.
    pub url: Option<String>,
    /// Metadata to filter searches by, if the source has any.
    pub metadata: Option<DocumentMetadata>,
    /// The bytes, if listing the document needed them anyway. Otherwise it is opened when it has changed.
    pub content: Option<Bytes>,
}

pub(crate) fn mime_type(file_name: &str) -> Option<String> {
    mime_guess::from_path(file_name).first_raw().map(str::to_owned)
}

pub(crate) fn last_segment(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
