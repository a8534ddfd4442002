//! HTML: only what a reader would see becomes text, `h1` to `h6` are headings.

mod layout;
mod raw;
#[cfg(test)]
mod tests;
mod tokenizer;

use domain::Layout;

use self::tokenizer::VisibleText;
use crate::Format;
use crate::reader::{BlockReader, ReaderSummary};
use crate::text::CheckedText;
use crate::{Blocks, EmptyReason, ExtractionError};

const NAME: &str = "HTML";

pub(super) static FORMAT: Format = Format {
    name: NAME,
    layout: Layout::Prose,
    signatures: &[],
    extensions: &["html", "htm", "xhtml"],
    file_names: &[],
    media_types: &["text/html", "application/xhtml+xml"],
    is_start_of: starts_as_html,
    empty_reason: EmptyReason::OnlyMarkup,
    open: |content_type| Box::new(HtmlReader::new(content_type)),
};

fn starts_as_html(head: &[u8]) -> bool {
    let start = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    [b"<!doctype html".as_slice(), b"<html"]
        .iter()
        .any(|opening| start.get(..opening.len()).is_some_and(|found| found.eq_ignore_ascii_case(opening)))
}

#[derive(Debug)]
struct HtmlReader {
    text: CheckedText,
    page: VisibleText,
    /// Visible text that is not in a block yet: that of an open heading.
    visible: String,
}

impl HtmlReader {
    fn new(content_type: Option<&str>) -> Self {
        Self {
            text: CheckedText::of_html(NAME, content_type),
            page: VisibleText::new(),
            visible: String::new(),
        }
    }
}

impl BlockReader for HtmlReader {
    fn push(&mut self, bytes: &[u8], blocks: &mut Blocks) -> Result<(), ExtractionError> {
        self.text.push(bytes, |html| {
            self.page.push(html, &mut self.visible);
            move_blocks(&mut self.page, &mut self.visible, blocks);
        })
    }

    fn finish(self: Box<Self>, blocks: &mut Blocks) -> Result<ReaderSummary, ExtractionError> {
        let Self { text, mut page, mut visible } = *self;
        let summary = text.finish(|html| page.push(html, &mut visible))?;
        let title = page.finish(&mut visible);
        move_blocks(&mut page, &mut visible, blocks);
        Ok(ReaderSummary { title, ..summary })
    }

    #[cfg(test)]
    fn buffered_bytes(&self) -> usize {
        self.text.buffered_bytes() + self.visible.capacity()
    }
}

/// Moves the text up to an open heading into blocks, with the headings in it.
fn move_blocks(page: &mut VisibleText, visible: &mut String, blocks: &mut Blocks) {
    let (headings, end) = page.take_headings(visible.len());
    let mut moved = 0;
    for heading in headings {
        blocks.push_text(&visible[moved..heading.start]);
        moved = heading.start;
        blocks.push_heading(heading.level, heading.text);
    }
    blocks.push_text(&visible[moved..end]);
    visible.drain(..end);
}
