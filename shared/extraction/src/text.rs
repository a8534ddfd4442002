//! Decoded and checked text, for the formats that are text.

mod declared;
mod embedded_data;
mod encoding;
mod escape_sequences;
mod escapes;
mod printable;
mod utf32;

use self::embedded_data::EmbeddedData;
use self::encoding::TextDecoder;
use self::escape_sequences::EscapeSequences;
pub(crate) use self::escapes::{EscapeKind, Escapes};
use self::printable::PrintableCheck;
use crate::reader::{BlockReader, ReaderSummary};
use crate::{Blocks, ExtractionError, Warning};

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
    /// Decoded, not checked yet. A run of NULs is one.
    held: String,
    /// NULs so far.
    nuls: u64,
    ends_in_nul: bool,
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
        Self { decoder, check: PrintableCheck::new(format), held: String::new(), nuls: 0, ends_in_nul: false }
    }

    /// Decodes the next bytes and passes the text that is known by now to `read`.
    pub(crate) fn push(&mut self, bytes: &[u8], mut read: impl FnMut(&str)) -> Result<(), ExtractionError> {
        for piece in bytes.chunks(PIECE_BYTES) {
            let decoded_before = self.held.len();
            self.decoder.push(piece, &mut self.held);
            self.check(decoded_before)?;
            if self.check.has_checked() {
                self.remove_nuls();
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
        self.check(decoded_before)?;
        self.check.check()?;
        self.remove_nuls();
        read(&self.held);
        let count = self.nuls;
        let mut warnings: Vec<Warning> = self.decoder.warnings(encoding).collect();
        warnings.extend((count > 0).then_some(Warning::NulsRemoved { count }));
        Ok(ReaderSummary { encoding: Some(encoding), warnings })
    }

    /// Checks the text from `start` on, and reduces its runs of NULs.
    fn check(&mut self, start: usize) -> Result<(), ExtractionError> {
        let decoded = &self.held[start..];
        if memchr::memchr(0, decoded.as_bytes()).is_some() {
            let decoded = self.held.split_off(start);
            for character in decoded.chars() {
                let is_nul = character == '\0';
                self.nuls += u64::from(is_nul);
                if !(is_nul && self.ends_in_nul) {
                    self.held.push(character);
                }
                self.ends_in_nul = is_nul;
            }
        } else if !decoded.is_empty() {
            self.ends_in_nul = false;
        }
        self.check.read(&self.held[start..])
    }

    fn remove_nuls(&mut self) {
        if memchr::memchr(0, self.held.as_bytes()).is_some() {
            self.held.retain(|character| character != '\0');
        }
    }

    #[cfg(test)]
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.held.capacity() + self.decoder.buffered_bytes()
    }
}

/// Rewrites decoded text, streaming: what a format's markup stands for.
pub(crate) trait Rewrite: std::fmt::Debug + Send {
    /// Reads the next text and appends what it becomes to `out`.
    fn push(&mut self, text: &str, out: &mut String);

    /// Appends the rest and returns how many bytes of embedded data were left out.
    fn finish(&mut self, out: &mut String) -> u64;

    /// Memory held between calls.
    #[cfg(test)]
    fn buffered_bytes(&self) -> usize;
}

/// Reads a format whose text is its content, or a simple rewriting of it: plain text, Markdown, source code, JSON.
/// Terminal escape sequences and embedded data are left out.
#[derive(Debug)]
pub(crate) struct TextReader {
    text: CheckedText,
    content: TextContent,
}

/// What is done with text that was decoded and checked.
#[derive(Debug)]
struct TextContent {
    rewrite: Option<Box<dyn Rewrite>>,
    sequences: EscapeSequences,
    data: EmbeddedData,
    pages: FormFeeds,
    /// The line of the document that the text so far ends on, from 1; 0 before the text. `None` where it is rewritten
    /// into other lines.
    line: Option<u32>,
    /// Empty between calls, as the next two.
    rewritten: String,
    without_sequences: String,
    without_data: String,
}

/// Text with a form feed among its first bytes has pages from its start on.
const PAGED_BYTES: usize = 32 * 1024;

/// What form feeds mean. Either way they become line breaks, as vertical tabs do.
#[derive(Debug)]
enum FormFeeds {
    Nothing,
    /// They begin pages; this is the current one, `None` before the text.
    Pages(Option<u32>),
}

impl TextReader {
    /// `format` is the name used in errors.
    pub(crate) fn new(format: &'static str, content_type: Option<&str>) -> Self {
        Self::with(format, content_type, FormFeeds::Nothing, None, true)
    }

    /// As [`Self::new`]; form feeds begin pages.
    pub(crate) fn with_pages(format: &'static str, content_type: Option<&str>) -> Self {
        Self::with(format, content_type, FormFeeds::Pages(None), None, true)
    }

    /// As [`Self::new`]; the text is rewritten, into other lines.
    pub(crate) fn rewritten(
        format: &'static str,
        content_type: Option<&str>,
        rewrite: impl Rewrite + 'static,
    ) -> Self {
        Self::with(format, content_type, FormFeeds::Nothing, Some(Box::new(rewrite)), false)
    }

    /// As [`Self::rewritten`], but within its lines.
    pub(crate) fn rewritten_within_lines(
        format: &'static str,
        content_type: Option<&str>,
        rewrite: impl Rewrite + 'static,
    ) -> Self {
        Self::with(format, content_type, FormFeeds::Nothing, Some(Box::new(rewrite)), true)
    }

    fn with(
        format: &'static str,
        content_type: Option<&str>,
        pages: FormFeeds,
        rewrite: Option<Box<dyn Rewrite>>,
        keeps_lines: bool,
    ) -> Self {
        let content = TextContent {
            rewrite,
            rewritten: String::new(),
            sequences: EscapeSequences::new(),
            data: EmbeddedData::default(),
            pages,
            line: keeps_lines.then_some(0),
            without_sequences: String::new(),
            without_data: String::new(),
        };
        Self { text: CheckedText::new(format, content_type), content }
    }
}

impl BlockReader for TextReader {
    fn push(&mut self, bytes: &[u8], blocks: &mut Blocks) -> Result<(), ExtractionError> {
        self.text.push(bytes, |text| self.content.read(text, blocks))
    }

    fn finish(self: Box<Self>, blocks: &mut Blocks) -> Result<ReaderSummary, ExtractionError> {
        let Self { text, mut content } = *self;
        let mut summary = text.finish(|text| content.read(text, blocks))?;
        summary.warnings.extend(content.finish(blocks));
        Ok(summary)
    }

    #[cfg(test)]
    fn buffered_bytes(&self) -> usize {
        let rewrite = self.content.rewrite.as_ref().map_or(0, |rewrite| rewrite.buffered_bytes());
        self.text.buffered_bytes() + self.content.data.buffered_bytes() + rewrite
    }
}

impl TextContent {
    fn read(&mut self, text: &str, blocks: &mut Blocks) {
        if let Some(rewrite) = &mut self.rewrite {
            rewrite.push(text, &mut self.rewritten);
            self.sequences.remove(&self.rewritten, &mut self.without_sequences);
        } else {
            self.sequences.remove(text, &mut self.without_sequences);
        }
        self.data.remove(&self.without_sequences, &mut self.without_data);
        self.write(blocks);
    }

    /// Ends the text and returns what was left out.
    fn finish(&mut self, blocks: &mut Blocks) -> Option<Warning> {
        let omitted = self.rewrite.as_mut().map_or(0, |rewrite| rewrite.finish(&mut self.rewritten));
        self.sequences.remove(&self.rewritten, &mut self.without_sequences);
        self.sequences.finish(&mut self.without_sequences);
        self.data.remove(&self.without_sequences, &mut self.without_data);
        self.data.finish(&mut self.without_data);
        self.write(blocks);
        let bytes = self.data.omitted() + omitted;
        (bytes > 0).then_some(Warning::DataOmitted { bytes })
    }

    fn write(&mut self, blocks: &mut Blocks) {
        self.pages.split(&self.without_data, &mut self.line, blocks);
        self.rewritten.clear();
        self.without_sequences.clear();
        self.without_data.clear();
    }
}

impl FormFeeds {
    /// Neither escape sequences nor embedded data have line feeds, so that the text has those of the document. Other
    /// breaks begin no line there, although they become line feeds.
    fn split(&mut self, text: &str, line: &mut Option<u32>, blocks: &mut Blocks) {
        if let Some(line @ 0) = line
            && !text.is_empty()
        {
            *line = 1;
            blocks.push_line(1);
        }
        if let Self::Pages(page @ None) = self
            && !text.is_empty()
        {
            *page = Some(0);
            if memchr::memchr(0x0C, &text.as_bytes()[..text.len().min(PAGED_BYTES)]).is_some() {
                blocks.push_page(0);
            }
        }
        let mut copied = 0;
        for feed in memchr::memchr2_iter(0x0B, 0x0C, text.as_bytes()) {
            blocks.push_text(&text[copied..feed]);
            blocks.push_text("\n");
            if let Some(line) = line {
                *line = line.saturating_add(line_feeds(&text[copied..feed]));
                blocks.push_line(*line);
            }
            copied = feed + 1;
            if let (Self::Pages(Some(page)), 0x0C) = (&mut *self, text.as_bytes()[feed]) {
                *page = page.saturating_add(1);
                blocks.push_page(*page);
            }
        }
        blocks.push_text(&text[copied..]);
        if let Some(line) = line {
            *line = line.saturating_add(line_feeds(&text[copied..]));
        }
    }
}

fn line_feeds(text: &str) -> u32 {
    u32::try_from(memchr::memchr_iter(b'\n', text.as_bytes()).count()).unwrap_or(u32::MAX)
}

/// Whether the start of a file looks like text: UTF-16, UTF-32, or few control characters.
pub(crate) fn looks_like_text(head: &[u8]) -> bool {
    let has_mark = encoding::has_wide_mark(head);
    has_mark || encoding::utf16_without_mark(head).is_some() || printable::looks_printable(head)
}
