//! The outline of a document, whose entries are the headings of its pages.

use pdfium_render::prelude::{PdfBookmark, PdfDocument};

use crate::ParseError;
use crate::limits::MAX_OUTLINE_ENTRIES;
use crate::output::{Output, one_line};

/// An entry of the outline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// From 0.
    pub(super) page: u32,
    pub(super) level: u8,
    pub(super) title: String,
}

/// Returns the entries in the order of their pages.
pub(super) fn outline(document: &PdfDocument<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut visited = 0;
    let mut open: Vec<(PdfBookmark<'_>, u8)> =
        document.bookmarks().root().map(|root| (root, 1)).into_iter().collect();
    while let Some((bookmark, level)) = open.pop() {
        visited += 1;
        if visited > MAX_OUTLINE_ENTRIES {
            break;
        }
        if let Some(sibling) = bookmark.next_sibling() {
            open.push((sibling, level));
        }
        if let Some(child) = bookmark.first_child() {
            open.push((child, level.saturating_add(1)));
        }
        let title = one_line(&bookmark.title().unwrap_or_default());
        if let Some(page) = page_of(&bookmark).filter(|_| !title.is_empty()) {
            entries.push(Entry { page, level: level.min(6), title });
        }
    }
    entries.sort_by_key(|entry| entry.page);
    entries
}

fn page_of(bookmark: &PdfBookmark<'_>) -> Option<u32> {
    let direct = bookmark.destination().and_then(|destination| destination.page_index().ok());
    let index = direct.or_else(|| {
        let action = bookmark.action()?;
        action.as_local_destination_action()?.destination().ok()?.page_index().ok()
    })?;
    u32::try_from(index).ok()
}

/// Appends a page's text with the headings of its entries: each before the line that it names, or, if no line does,
/// before the next one that is found.
pub(super) fn append_text(text: &str, entries: &[Entry], output: &mut Output<'_>) -> Result<(), ParseError> {
    let mut rest = text;
    for entry in entries {
        if let Some(position) = line_of(&entry.title, rest) {
            output.text(&rest[..position])?;
            rest = &rest[position..];
        }
        output.heading(entry.level, &entry.title)?;
    }
    output.text(rest)
}

/// Returns the position of the first line that starts with the title, with or without a number before it.
fn line_of(title: &str, text: &str) -> Option<usize> {
    let title = letters(title);
    if title.is_empty() {
        return None;
    }
    let mut position = 0;
    for line in text.split_inclusive('\n') {
        let line_letters = letters(line);
        // A title may go on in the next line.
        let is_start = line_letters.len() > 3 && title.starts_with(&line_letters);
        if is_start || line_letters.starts_with(&title) {
            return Some(position);
        }
        position += line.len();
    }
    None
}

/// The letters of a line, without the numbers of sections and pages.
fn letters(line: &str) -> String {
    line.chars().filter(|character| character.is_alphabetic()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn title_is_found_with_its_number_and_across_lines() {
        let text = "Running head\n1.2 The Moon\nand the tides\nThe sun\n";
        assert_eq!(line_of("The Moon and the Tides", text), Some(13));
        assert_eq!(line_of("3 The Sun", text), Some(40));
        assert_eq!(line_of("Stars", text), None);
        assert_eq!(line_of("1.2", text), None);
    }
}
