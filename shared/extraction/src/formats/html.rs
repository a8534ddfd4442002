//! HTML: what a browser shows becomes text, `h1` to `h6` are headings.
//!
//! The first 128 KiB of a page's visible text are held back to choose its main content, see [`main_content`]. A
//! longer page without a `main` element by then is read whole.

mod attributes;
#[cfg(test)]
mod content_tests;
mod element;
mod elements;
mod layout;
mod main_content;
mod raw;
#[cfg(test)]
mod tests;
mod title;
mod tokenizer;
mod writer;

use domain::Layout;

use self::tokenizer::VisibleText;
use crate::Format;
use crate::reader::{BlockReader, ReaderSummary};
use crate::text::CheckedText;
use crate::{Blocks, EmptyReason, ExtractionError};

const NAME: &str = "HTML";

/// Bytes of visible text after which the main content is chosen.
const CHOICE_BYTES: usize = 128 * 1024;

pub(super) static FORMAT: Format = Format {
    name: NAME,
    layout: Layout::Prose,
    has_headings: true,
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
    // XHTML may begin with an XML declaration.
    let end_of_declaration =
        start.starts_with(b"<?xml").then(|| memchr::memmem::find(start, b"?>")).flatten();
    let start = end_of_declaration.map_or(start, |end| start[end + 2..].trim_ascii_start());
    [b"<!doctype html".as_slice(), b"<html"]
        .iter()
        .any(|opening| start.get(..opening.len()).is_some_and(|found| found.eq_ignore_ascii_case(opening)))
}

#[derive(Debug)]
struct HtmlReader {
    text: CheckedText,
    page: Page,
}

/// The visible text of a page.
#[derive(Debug)]
struct Page {
    visible: VisibleText,
    /// Text that is not in a block yet.
    text: String,
    /// Whether the main content is chosen.
    is_chosen: bool,
}

impl HtmlReader {
    fn new(content_type: Option<&str>) -> Self {
        let page = Page { visible: VisibleText::new(), text: String::new(), is_chosen: false };
        Self { text: CheckedText::of_html(NAME, content_type), page }
    }
}

impl BlockReader for HtmlReader {
    fn push(&mut self, bytes: &[u8], blocks: &mut Blocks) -> Result<(), ExtractionError> {
        self.text.push(bytes, |html| self.page.push(html, blocks))
    }

    fn finish(self: Box<Self>, blocks: &mut Blocks) -> Result<ReaderSummary, ExtractionError> {
        let Self { text, mut page } = *self;
        let summary = text.finish(|html| page.push(html, blocks))?;
        page.finish(blocks);
        Ok(summary)
    }

    #[cfg(test)]
    fn buffered_bytes(&self) -> usize {
        self.text.buffered_bytes() + self.page.text.capacity()
    }
}

impl Page {
    fn push(&mut self, html: &str, blocks: &mut Blocks) {
        let mut rest = html;
        // In small parts: the content is chosen at the same place however the page is split.
        while !self.is_chosen && !rest.is_empty() {
            let end = memchr::memchr(b'>', rest.as_bytes()).map_or(rest.len(), |position| position + 1);
            self.visible.push(&rest[..end], &mut self.text);
            rest = &rest[end..];
            if self.text.len() > CHOICE_BYTES {
                self.move_blocks(false, blocks);
            }
        }
        if self.is_chosen {
            self.visible.push(rest, &mut self.text);
            self.move_blocks(false, blocks);
        }
    }

    fn finish(&mut self, blocks: &mut Blocks) {
        self.visible.finish(&mut self.text);
        self.move_blocks(true, blocks);
    }

    /// Moves the text that is decided into blocks, with the headings in it.
    fn move_blocks(&mut self, is_whole: bool, blocks: &mut Blocks) {
        let layout = &mut self.visible.layout;
        if !self.is_chosen && !is_whole && !layout.is_decided() {
            return;
        }
        let (mut headings, mut end) = layout.take_headings(self.text.len());
        if !self.is_chosen {
            layout.regions.choose(is_whole, &mut self.text, &mut headings);
            end = self.text.len();
            self.is_chosen = true;
        }
        if let Some(title) = layout.take_title() {
            blocks.push_title(title);
        }
        let mut moved = 0;
        for heading in headings {
            blocks.push_text(&self.text[moved..heading.start]);
            moved = heading.start;
            blocks.push_heading(heading.level, heading.text, heading.anchor);
        }
        blocks.push_text(&self.text[moved..end]);
        self.text.drain(..end);
    }
}
