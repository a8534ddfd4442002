//! Decoded and checked text, for the formats that are text.

mod encoding;
mod printable;

use self::encoding::TextDecoder;
use self::printable::PrintableCheck;
use crate::reader::{BlockReader, ReaderSummary};
use crate::{Blocks, ExtractionError};

/// Bytes decoded at a time, so that a large push needs no large buffer.
const PIECE_BYTES: usize = 64 * 1024;

/// Decodes a document's bytes and refuses binary files.
///
/// The first 64 KiB are held back until they are known to be text, so a binary file is refused before
/// it yields any.
#[derive(Debug)]
pub(crate) struct CheckedText {
    decoder: TextDecoder,
    check: PrintableCheck,
    /// Decoded, not checked yet.
    held: String,
}

impl CheckedText {
    /// `format` is the name used in errors.
    pub(crate) fn new(format: &'static str, content_type: Option<&str>) -> Self {
        Self::with_decoder(format, TextDecoder::new(content_type, false))
    }

    /// As [`Self::new`], and believes the charset of a `meta` element.
    pub(crate) fn of_html(format: &'static str, content_type: Option<&str>) -> Self {
        Self::with_decoder(format, TextDecoder::new(content_type, true))
    }

    fn with_decoder(format: &'static str, decoder: TextDecoder) -> Self {
        Self { decoder, check: PrintableCheck::new(format), held: String::new() }
    }

    /// Decodes the next bytes and passes the text that is known by now to `read`.
    pub(crate) fn push(&mut self, bytes: &[u8], mut read: impl FnMut(&str)) -> Result<(), ExtractionError> {
        for piece in bytes.chunks(PIECE_BYTES) {
            let decoded_before = self.held.len();
            self.decoder.push(piece, &mut self.held);
            self.check.read(&self.held[decoded_before..])?;
            if self.check.has_checked() {
                read(&self.held);
                self.held.clear();
            }
        }
        Ok(())
    }

    /// Passes the remaining text to `read`.
    pub(crate) fn finish(mut self, read: impl FnOnce(&str)) -> Result<ReaderSummary, ExtractionError> {
        let decoded_before = self.held.len();
        let encoding = self.decoder.finish(&mut self.held);
        self.check.read(&self.held[decoded_before..])?;
        self.check.check()?;
        read(&self.held);
        Ok(ReaderSummary { encoding: Some(encoding), replaced: self.check.replaced(), title: None })
    }

    #[cfg(test)]
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.held.capacity()
    }
}

/// Reads a format whose text is its content: plain text, Markdown, source code.
#[derive(Debug)]
pub(crate) struct TextReader {
    text: CheckedText,
    pages: FormFeeds,
}

/// What form feeds mean. Either way they become line breaks, as vertical tabs do.
#[derive(Debug)]
enum FormFeeds {
    Nothing,
    /// They begin pages; this is the current one.
    Pages(u32),
}

impl TextReader {
    /// `format` is the name used in errors.
    pub(crate) fn new(format: &'static str, content_type: Option<&str>) -> Self {
        Self { text: CheckedText::new(format, content_type), pages: FormFeeds::Nothing }
    }

    /// As [`Self::new`]; form feeds begin pages.
    pub(crate) fn with_pages(format: &'static str, content_type: Option<&str>) -> Self {
        Self { text: CheckedText::new(format, content_type), pages: FormFeeds::Pages(0) }
    }
}

impl BlockReader for TextReader {
    fn push(&mut self, bytes: &[u8], blocks: &mut Blocks) -> Result<(), ExtractionError> {
        self.text.push(bytes, |text| self.pages.split(text, blocks))
    }

    fn finish(self: Box<Self>, blocks: &mut Blocks) -> Result<ReaderSummary, ExtractionError> {
        let Self { text, mut pages } = *self;
        text.finish(|text| pages.split(text, blocks))
    }

    #[cfg(test)]
    fn buffered_bytes(&self) -> usize {
        self.text.buffered_bytes()
    }
}

impl FormFeeds {
    fn split(&mut self, text: &str, blocks: &mut Blocks) {
        let mut copied = 0;
        for feed in memchr::memchr2_iter(0x0B, 0x0C, text.as_bytes()) {
            blocks.push_text(&text[copied..feed]);
            blocks.push_text("\n");
            copied = feed + 1;
            if let (Self::Pages(page), 0x0C) = (&mut *self, text.as_bytes()[feed]) {
                *page = page.saturating_add(1);
                blocks.push_page(*page);
            }
        }
        blocks.push_text(&text[copied..]);
    }
}

/// Whether the start of a file looks like text: UTF-16 with its byte order mark, or few control
/// characters and no NUL.
pub(crate) fn looks_like_text(head: &[u8]) -> bool {
    if head.starts_with(b"\xFF\xFE") || head.starts_with(b"\xFE\xFF") {
        return true;
    }
    let controls = head.iter().filter(|byte| !printable::is_printable_byte(**byte)).count();
    !head.contains(&0) && controls * 100 <= head.len() * printable::ALLOWED_PERCENT as usize
}
