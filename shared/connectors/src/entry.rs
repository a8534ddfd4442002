//! What a listing yields.

use chrono::{DateTime, Utc};

/// One document of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Identifies the document, the same in every listing: `file:///…` or `s3://bucket/key`.
    pub uri: String,
    /// What [`crate::Connectors::open`] needs to find the bytes.
    pub location: String,
    /// The name without folders.
    pub file_name: String,
    /// The path within the source, for users.
    pub file_path: String,
    /// In bytes.
    pub size_bytes: u64,
    /// Changes whenever the bytes do: an ETag, or modification time and size.
    pub change_hint: String,
    /// The media type suggested by the name.
    pub mime_type: Option<String>,
    /// Time of the last modification.
    pub modified_at: Option<DateTime<Utc>>,
}

/// One page of a source's documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// At most [`Page::MAX_ENTRIES`] documents, in the order of their names.
    pub entries: Vec<Entry>,
    /// The cursor of the next page; `None` on the last one.
    pub next: Option<String>,
    /// Files and folders that were not listed for lack of permission. They may still exist, so a
    /// listing with any cannot tell which documents are gone.
    pub unreadable: u64,
}

impl Page {
    /// The most documents in one page, which is what one S3 request lists.
    pub const MAX_ENTRIES: usize = 1000;
}

pub(crate) fn mime_type(file_name: &str) -> Option<String> {
    mime_guess::from_path(file_name).first_raw().map(str::to_owned)
}

pub(crate) fn last_segment(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
