//! Where parsers put what they find: cleans text, enforces the limits on output, and counts.

use std::collections::BTreeMap;
use std::io::{self, Read};

use frames::codec::PIECE_BYTES;
use frames::{FailureKind, Frame, Summary, Warning, WarningKind, push_row_text};

use crate::ParseError;
use crate::limits::{
    MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS, MAX_CELL_BYTES, MAX_CELLS, MAX_HEADING_BYTES, MAX_PAGES,
    MAX_ROW_BYTES, MAX_ROWS, MAX_TEXT_BYTES,
};
use crate::names::member_name;

/// What takes the frames.
pub type Sink<'a> = dyn FnMut(Frame) -> io::Result<()> + 'a;

/// The output of one document.
pub(crate) struct Output<'a> {
    sink: &'a mut Sink<'a>,
    /// Text that is not yet in a frame.
    pending: String,
    summary: Summary,
    attachment_bytes: u64,
    has_visible_text: bool,
    has_title: bool,
    has_language: bool,
    warnings: BTreeMap<WarningKind, u64>,
}

/// A row of a table.
pub(crate) struct TableRow {
    pub(crate) is_header: bool,
    pub(crate) cells: Vec<String>,
    /// Filled cells after the limit of a row.
    pub(crate) cells_left_out: u64,
}

impl<'a> Output<'a> {
    pub(crate) fn new(sink: &'a mut Sink<'a>) -> Self {
        Self {
            sink,
            pending: String::new(),
            summary: Summary::default(),
            attachment_bytes: 0,
            has_visible_text: false,
            has_title: false,
            has_language: false,
            warnings: BTreeMap::new(),
        }
    }

    /// Starts the next page, slide or sheet.
    pub(crate) fn page(&mut self, label: &str) -> Result<(), ParseError> {
        if self.summary.pages == MAX_PAGES {
            self.warn(WarningKind::PagesLeftOut, 1);
            return Err(ParseError::Full);
        }
        let index = self.summary.pages;
        self.summary.pages += 1;
        self.send(Frame::Page { index, label: one_line(label) })
    }

    /// Starts the next page, where the text so far is on the first one.
    pub(crate) fn page_break(&mut self) -> Result<(), ParseError> {
        self.summary.pages = self.summary.pages.max(1);
        self.page("")
    }

    /// Starts a section. The heading's text is not part of the document's text.
    pub(crate) fn heading(&mut self, level: u8, text: &str) -> Result<(), ParseError> {
        let text = one_line(text);
        if text.is_empty() {
            return Ok(());
        }
        self.send(Frame::Heading { level: level.clamp(1, 6), text })
    }

    /// Starts a section, and puts the heading's text on a line of its own.
    pub(crate) fn heading_line(&mut self, level: u8, text: &str) -> Result<(), ParseError> {
        self.heading(level, text)?;
        self.line(text)
    }

    /// Appends text without control characters, with line feeds as line ends.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), ParseError> {
        for piece in text.split(is_removed) {
            self.has_visible_text = self.has_visible_text || piece.chars().any(is_visible);
            let room = usize::try_from(MAX_TEXT_BYTES - self.summary.text_bytes).unwrap_or(usize::MAX);
            let kept = &piece[..piece.floor_char_boundary(room)];
            self.pending.push_str(kept);
            self.summary.text_bytes += kept.len() as u64;
            if kept.len() < piece.len() {
                self.warn(WarningKind::TextTruncated, 1);
                return Err(ParseError::Full);
            }
        }
        while self.pending.len() >= PIECE_BYTES {
            let rest = self.pending.split_off(self.pending.floor_char_boundary(PIECE_BYTES));
            let piece = std::mem::replace(&mut self.pending, rest);
            (self.sink)(Frame::Text(piece)).map_err(ParseError::Output)?;
        }
        Ok(())
    }

    /// Appends text and a line feed.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), ParseError> {
        self.text(text)?;
        self.text("\n")
    }

    /// Appends a row. A row without visible text is left out, and one with a single cell is a line of text.
    pub(crate) fn row(&mut self, is_header: bool, mut cells: Vec<String>) -> Result<(), ParseError> {
        if self.summary.rows == MAX_ROWS {
            self.warn(WarningKind::RowsLeftOut, 1);
            return Err(ParseError::Full);
        }
        if cells.len() > MAX_CELLS {
            self.warn(WarningKind::CellsTruncated, (cells.len() - MAX_CELLS) as u64);
            cells.truncate(MAX_CELLS);
        }
        let mut room = MAX_ROW_BYTES;
        for cell in &mut cells {
            cell.retain(|character| !is_removed(character));
            let kept = cell.floor_char_boundary(room.min(MAX_CELL_BYTES));
            if kept < cell.len() {
                self.warn(WarningKind::CellsTruncated, 1);
                cell.truncate(kept);
            }
            room -= cell.len();
        }
        while cells.last().is_some_and(|cell| cell.trim().is_empty()) {
            cells.pop();
        }
        if cells.is_empty() {
            return Ok(());
        }
        if let [cell] = cells.as_slice() {
            return self.line(cell.trim());
        }
        let mut line = String::new();
        push_row_text(&cells, &mut line);
        if self.summary.text_bytes + line.len() as u64 > MAX_TEXT_BYTES {
            self.warn(WarningKind::TextTruncated, 1);
            return Err(ParseError::Full);
        }
        self.summary.rows += 1;
        self.summary.text_bytes += line.len() as u64;
        self.has_visible_text = self.has_visible_text || line.chars().any(is_visible);
        self.send(Frame::Row { is_header, cells })
    }

    /// Appends a row of a table of a text document.
    pub(crate) fn table_row(&mut self, row: TableRow) -> Result<(), ParseError> {
        self.warn(WarningKind::CellsTruncated, row.cells_left_out);
        self.row(row.is_header, row.cells)
    }

    /// Sets the title, the first time that there is one.
    pub(crate) fn title(&mut self, title: &str) -> Result<(), ParseError> {
        let title = one_line(title);
        if title.is_empty() || self.has_title {
            return Ok(());
        }
        self.has_title = true;
        self.send(Frame::Title(title))
    }

    /// Sets the language, the first time that there is a well-formed tag.
    pub(crate) fn language(&mut self, tag: &str) -> Result<(), ParseError> {
        let tag = tag.trim().replace('_', "-");
        let is_subtag = |part: &str| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let primary = tag.split('-').next().unwrap_or_default();
        let is_tag = (2..=3).contains(&primary.len())
            && primary.bytes().all(|byte| byte.is_ascii_alphabetic())
            && tag.len() <= 35
            && tag.split('-').all(is_subtag);
        if !is_tag || self.has_language {
            return Ok(());
        }
        self.has_language = true;
        self.send(Frame::Language(tag))
    }

    /// Counts something that was lost or guessed.
    pub(crate) fn warn(&mut self, kind: WarningKind, count: u64) {
        if count > 0 {
            let known = self.warnings.entry(kind).or_default();
            *known = known.saturating_add(count);
        }
    }

    /// Copies a file inside the document. One whose content is damaged is left out with a warning; parents discard
    /// what they received of it, since its end is missing.
    pub(crate) fn attachment(
        &mut self,
        name: &str,
        media_type: &str,
        content: &mut dyn Read,
    ) -> Result<(), ParseError> {
        let Some(name) = member_name(name) else {
            self.warn(WarningKind::AttachmentsUnsafe, 1);
            return Ok(());
        };
        if self.summary.attachments == MAX_ATTACHMENTS {
            self.warn(WarningKind::AttachmentsLeftOut, 1);
            return Ok(());
        }
        self.send(Frame::AttachmentStart { name, media_type: one_line(media_type) })?;
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        loop {
            piece.clear();
            match content.take(PIECE_BYTES as u64).read_to_end(&mut piece) {
                Ok(0) => break,
                Ok(read) => self.attachment_bytes += read as u64,
                Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                    return Err(ParseError::too_large(error.to_string()));
                }
                Err(_damaged) => {
                    self.warn(WarningKind::PartsUnreadable, 1);
                    return Ok(());
                }
            }
            if self.attachment_bytes > MAX_ATTACHMENT_BYTES {
                self.warn(WarningKind::AttachmentsLeftOut, 1);
                return Err(ParseError::Full);
            }
            self.send(Frame::AttachmentData(piece.clone()))?;
        }
        self.summary.attachments += 1;
        self.send(Frame::AttachmentEnd)
    }

    /// Whether there was text to see, or a file inside.
    pub(crate) fn has_content(&self) -> bool {
        self.has_visible_text || self.summary.attachments > 0
    }

    /// Bytes of text so far.
    pub(crate) fn text_bytes(&self) -> u64 {
        self.summary.text_bytes
    }

    /// Sends the warnings and the end.
    ///
    /// # Errors
    /// Returns `NoText` with this reason if there is neither text nor an attachment.
    pub(crate) fn finish(mut self, no_text: &str) -> Result<Summary, ParseError> {
        if !self.has_content() {
            return Err(ParseError::failure(FailureKind::NoText, no_text.to_owned()));
        }
        for (kind, count) in std::mem::take(&mut self.warnings) {
            self.send(Frame::Warning(Warning { kind, count }))?;
        }
        let summary = self.summary;
        self.send(Frame::End(summary))?;
        Ok(summary)
    }

    /// Sends a frame after the text before it.
    fn send(&mut self, frame: Frame) -> Result<(), ParseError> {
        if !self.pending.is_empty() {
            let text = std::mem::take(&mut self.pending);
            (self.sink)(Frame::Text(text)).map_err(ParseError::Output)?;
        }
        (self.sink)(frame).map_err(ParseError::Output)
    }
}

/// Reduces white space to single spaces, and truncates to the limit of headings.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|character: char| character.is_whitespace() || is_removed(character)) {
        if word.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > MAX_HEADING_BYTES {
            line.truncate(line.floor_char_boundary(MAX_HEADING_BYTES));
            break;
        }
    }
    line
}

/// Control characters and noncharacters, which files contain and nobody reads.
fn is_removed(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t'))
        || matches!(character, '\u{FFFE}' | '\u{FFFF}' | '\u{FEFF}' | '\u{FDD0}'..='\u{FDEF}')
}

fn is_visible(character: char) -> bool {
    !character.is_whitespace()
        && !character.is_control()
        && !matches!(character, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FFFC}' | '\u{FFFD}')
}
