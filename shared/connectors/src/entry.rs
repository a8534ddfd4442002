//! What a listing says of a document.

use chrono::{DateTime, Utc};

/// One document of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its logical name, the same at every listing: `file:///…` or `s3://bucket/key`.
    pub uri: String,
    /// What [`crate::Connectors::open`] needs to find its bytes.
    pub location: String,
    /// Its name without folders.
    pub file_name: String,
    /// Its path within the source, as shown to people.
    pub file_path: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Changes whenever its bytes do: the ETag, or time of change and size.
    pub change_hint: String,
    /// Its media type, as far as its name tells.
    pub mime_type: Option<String>,
    /// When it last changed.
    pub modified_at: Option<DateTime<Utc>>,
}

/// Some of a source's documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// At most [`Page::MAX_ENTRIES`] documents, in the order of their names.
    pub entries: Vec<Entry>,
    /// Where the listing goes on; nothing at its end.
    pub next: Option<String>,
    /// Files and folders on the way that may not be read: what is in them is not listed, and yet
    /// may still be there.
    pub unreadable: u64,
}

impl Page {
    /// The most documents in one page: what one S3 call lists.
    pub const MAX_ENTRIES: usize = 1000;
}

pub(crate) fn mime_type(file_name: &str) -> Option<String> {
    mime_guess::from_path(file_name).first_raw().map(str::to_owned)
}

pub(crate) fn last_segment(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
