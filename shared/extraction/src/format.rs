//! What a format declares.

use domain::Layout;

use crate::EmptyReason;
use crate::reader::BlockReader;

/// A kind of document: how it is detected, read and chunked.
///
/// Detection goes by `signatures`, then `extensions` and `file_names`, then `media_types`, then
/// `is_start_of`.
#[derive(Debug)]
pub struct Format {
    /// For messages and metadata.
    pub(crate) name: &'static str,
    /// How the text is laid out, which decides where it is chunked.
    pub(crate) layout: Layout,
    /// Whether its documents may have a title and headings.
    pub(crate) has_headings: bool,
    /// First bytes that no other format starts with.
    pub(crate) signatures: &'static [&'static [u8]],
    /// File name extensions, in lower case.
    pub(crate) extensions: &'static [&'static str],
    /// Whole file names, in lower case.
    pub(crate) file_names: &'static [&'static str],
    /// Media types in lower case; `text/*` matches every text type that no format names.
    pub(crate) media_types: &'static [&'static str],
    /// Whether a file without any of these starts as the format does.
    pub(crate) is_start_of: fn(&[u8]) -> bool,
    /// The reason for a document that has bytes and no text.
    pub(crate) empty_reason: EmptyReason,
    /// Starts a document, given its content type.
    pub(crate) open: fn(Option<&str>) -> Box<dyn BlockReader>,
}

impl Format {
    /// The format's name, for example `Markdown`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// File name extensions, in lower case.
    pub fn extensions(&self) -> &'static [&'static str] {
        self.extensions
    }

    /// Media types in lower case; a star stands for any subtype that no format names.
    pub fn media_types(&self) -> &'static [&'static str] {
        self.media_types
    }

    /// How the text is laid out, which decides where it is chunked.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Whether a document of this format may have a title and headings.
    pub fn has_headings(&self) -> bool {
        self.has_headings
    }
}

/// Whether a known media type such as `image/*` covers this one.
pub(crate) fn covers(known: &str, media_type: &str) -> bool {
    known.strip_suffix('*').is_some_and(|prefix| media_type.starts_with(prefix))
}
