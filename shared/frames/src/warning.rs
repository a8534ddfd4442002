//! What a document has lost on the way.

use std::fmt;

/// Something that was lost or guessed. Displays as a sentence for the document's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Warning {
    /// What happened.
    pub kind: WarningKind,
    /// How often, in the unit of the kind.
    pub count: u64,
}

/// Kinds of warnings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WarningKind {
    /// Pages without text, most likely images. Counts pages.
    PagesWithoutText,
    /// Pages, slides, sheets or chapters that are damaged. Counts them.
    PartsUnreadable,
    /// Pages after the limit. Counts pages.
    PagesLeftOut,
    /// Rows after the limit. Counts rows.
    RowsLeftOut,
    /// Cells longer than the limit, or after the limit of a row. Counts cells.
    CellsTruncated,
    /// Text after the limit of a document. Counts documents, so always 1.
    TextTruncated,
    /// Attachments, members or mails after a limit. Counts them.
    AttachmentsLeftOut,
    /// Members with a password. Counts them.
    AttachmentsEncrypted,
    /// Members whose name leaves the archive, links and devices. Counts them.
    AttachmentsUnsafe,
    /// Bytes that the encoding does not define, each replaced by U+FFFD. Counts bytes.
    BytesReplaced,
    /// Pages without text that OCR did not read: after its limit. Counts pages.
    OcrPagesLeftOut,
}

impl WarningKind {
    /// Every kind, in the order of their codes.
    pub const ALL: [Self; 11] = [
        Self::PagesWithoutText,
        Self::PartsUnreadable,
        Self::PagesLeftOut,
        Self::RowsLeftOut,
        Self::CellsTruncated,
        Self::TextTruncated,
        Self::AttachmentsLeftOut,
        Self::AttachmentsEncrypted,
        Self::AttachmentsUnsafe,
        Self::BytesReplaced,
        Self::OcrPagesLeftOut,
    ];

    /// The name of this kind in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PagesWithoutText => "pages_without_text",
            Self::PartsUnreadable => "parts_unreadable",
            Self::PagesLeftOut => "pages_left_out",
            Self::RowsLeftOut => "rows_left_out",
            Self::CellsTruncated => "cells_truncated",
            Self::TextTruncated => "text_truncated",
            Self::AttachmentsLeftOut => "attachments_left_out",
            Self::AttachmentsEncrypted => "attachments_encrypted",
            Self::AttachmentsUnsafe => "attachments_unsafe",
            Self::BytesReplaced => "bytes_replaced",
            Self::OcrPagesLeftOut => "ocr_pages_left_out",
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (one, many) = match self.kind {
            WarningKind::PagesWithoutText => {
                ("page has no text, only images", "pages have no text, only images")
            }
            WarningKind::PartsUnreadable => {
                ("part is damaged and left out", "parts are damaged and left out")
            }
            WarningKind::PagesLeftOut => {
                ("page after the limit is left out", "pages after the limit are left out")
            }
            WarningKind::RowsLeftOut => {
                ("row after the limit is left out", "rows after the limit are left out")
            }
            WarningKind::CellsTruncated => ("long cell is truncated", "long cells are truncated"),
            WarningKind::TextTruncated => {
                return formatter.write_str("the text after the limit is left out");
            }
            WarningKind::AttachmentsLeftOut => {
                ("contained file is left out: over a limit", "contained files are left out: over a limit")
            }
            WarningKind::AttachmentsEncrypted => {
                ("contained file is left out: encrypted", "contained files are left out: encrypted")
            }
            WarningKind::AttachmentsUnsafe => (
                "contained file is left out: its name or type is unsafe",
                "contained files are left out: their names or types are unsafe",
            ),
            WarningKind::BytesReplaced => (
                "byte is not valid in the encoding and was replaced",
                "bytes are not valid in the encoding and were replaced",
            ),
            WarningKind::OcrPagesLeftOut => (
                "page without text is not read: after the limit of OCR",
                "pages without text are not read: after the limit of OCR",
            ),
        };
        write!(formatter, "{} {}", self.count, if self.count == 1 { one } else { many })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_sentences() {
        let show = |kind, count| Warning { kind, count }.to_string();
        assert_eq!(show(WarningKind::PagesWithoutText, 1), "1 page has no text, only images");
        assert_eq!(show(WarningKind::RowsLeftOut, 20), "20 rows after the limit are left out");
        assert_eq!(show(WarningKind::TextTruncated, 1), "the text after the limit is left out");
    }
}
