//! The parts of a document.

use crate::Warning;

/// A part of a document, in reading order.
///
/// The document's text is the concatenation of its [`Frame::Text`]s and of the lines of its [`Frame::Row`]s, see
/// [`push_row_text`]; chunk offsets are positions in it. [`Frame::Page`] and [`Frame::Heading`] mark a position in
/// that text and add nothing to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The following text is on this page, slide or sheet.
    Page {
        /// Position in the document, from 0.
        index: u32,
        /// What the document calls the page, for example `iv` or the name of a sheet; empty if it does not say.
        label: String,
    },
    /// The following text belongs to this section until the next heading of this level or above.
    Heading {
        /// 1 for the top level, 6 for the lowest.
        level: u8,
        /// One line of text. Where the document shows it, it is part of the document's text, too.
        text: String,
    },
    /// Text that continues the text before it.
    Text(String),
    /// One row of a table. Never empty.
    Row {
        /// Whether this row names the columns of the rows below it.
        is_header: bool,
        /// What the cells show.
        cells: Vec<String>,
    },
    /// A file inside the document follows: an attachment, a member of an archive, a mail of a mailbox. It consists of
    /// the [`Frame::AttachmentData`]s up to [`Frame::AttachmentEnd`]; without an end, it is damaged, and to be
    /// discarded.
    AttachmentStart {
        /// Its name, or its path in the archive with `/` between folders. Never empty, never absolute, never
        /// with `..`.
        name: String,
        /// Its media type, or empty if it is not known.
        media_type: String,
    },
    /// The next bytes of the attachment.
    AttachmentData(Vec<u8>),
    /// The attachment is complete.
    AttachmentEnd,
    /// The document's title.
    Title(String),
    /// The BCP 47 tag of the language that the document declares.
    Language(String),
    /// What was lost or guessed.
    Warning(Warning),
    /// The document is complete. Nothing follows.
    End(Summary),
    /// The document cannot be read. Nothing follows, and nothing before it counts.
    Failed(Failure),
}

/// What was read, at the end of a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Pages, slides or sheets; 0 for formats without pages.
    pub pages: u32,
    /// Bytes of text, those of the rows included.
    pub text_bytes: u64,
    /// Rows of tables.
    pub rows: u64,
    /// Files inside the document.
    pub attachments: u32,
}

/// Why a document cannot be read. Always permanent: the same bytes fail again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class of the failure.
    pub kind: FailureKind,
    /// A sentence for the document's owner.
    pub reason: String,
}

/// Classes of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The file is damaged, or not what its name says.
    Damaged,
    /// The file needs a password.
    Encrypted,
    /// The file exceeds a limit.
    TooLarge,
    /// The file has neither text nor attachments.
    NoText,
    /// The file is of a variant that cannot be read.
    Unsupported,
}

/// Appends a row's line to a document's text: cells separated by tabs, white space in a cell reduced to spaces, no
/// separators after the last filled cell, and a line feed.
pub fn push_row_text(cells: &[String], text: &mut String) {
    let filled = cells.iter().rposition(|cell| !cell.trim().is_empty()).map_or(0, |last| last + 1);
    for (index, cell) in cells[..filled].iter().enumerate() {
        if index > 0 {
            text.push('\t');
        }
        for (index, word) in cell.split_whitespace().enumerate() {
            if index > 0 {
                text.push(' ');
            }
            text.push_str(word);
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_is_one_line_whatever_its_cells_contain() {
        let cells = ["a\tb\nc", "", "  d ", "", " "].map(str::to_owned);
        let mut text = "before\n".to_owned();
        push_row_text(&cells, &mut text);
        assert_eq!(text, "before\na b c\t\td\n");
    }
}
