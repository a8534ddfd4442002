//! The elements of `content.xml`.

use std::io::BufRead;

use frames::WarningKind;

use crate::ParseError;
use crate::formats::table::Tables;
use crate::limits::{MAX_CELLS, MAX_PARAGRAPH_BYTES};
use crate::output::Output;
use crate::xml::{Element, Node, Xml};

/// Equal rows that one element stands for. Sheets fill their end with a million empty ones, which cost nothing.
const MAX_ROW_REPETITIONS: usize = 1_000;

/// Spaces that one element stands for.
const MAX_SPACES: usize = 1_000;

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Presentation,
    Spreadsheet,
}

/// Reads the content.
pub(super) struct Content {
    kind: Kind,
    /// Open paragraphs: a note or a comment is inside one.
    paragraphs: Vec<Paragraph>,
    tables: Tables,
    cell_repetitions: usize,
    row_repetitions: usize,
    in_header_rows: bool,
    /// Cells of the row, and those of them that are text, as the names of columns are.
    filled: usize,
    texts: usize,
    cell_is_text: bool,
    sheet_has_rows: bool,
    /// Whether the text is that of a slide's title.
    in_title: bool,
    slides: u32,
}

struct Paragraph {
    text: String,
    /// Of a heading, from 1.
    level: Option<u8>,
}

impl Content {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            paragraphs: Vec::new(),
            tables: Tables::default(),
            cell_repetitions: 1,
            row_repetitions: 1,
            in_header_rows: false,
            filled: 0,
            texts: 0,
            cell_is_text: false,
            sheet_has_rows: false,
            in_title: false,
            slides: 0,
        }
    }

    pub(super) fn append<R: BufRead>(
        mut self,
        xml: &mut Xml<R>,
        output: &mut Output<'_>,
    ) -> Result<(), ParseError> {
        while let Some(node) = xml.next()? {
            match node {
                Node::Start(element) => match element.name() {
                    // What changes have taken away, the numbers of notes, and what only styles say.
                    "tracked-changes" | "note-citation" | "automatic-styles" | "font-face-decls"
                    | "forms" => {
                        xml.skip_element()?;
                    }
                    _ => self.start(&element, output)?,
                },
                Node::End(name) => self.end(&name, output)?,
                Node::Text(text) => self.text(&text, output)?,
            }
        }
        Ok(())
    }

    fn start(&mut self, element: &Element<'_>, output: &mut Output<'_>) -> Result<(), ParseError> {
        let count =
            |name: &str| element.attribute(name).and_then(|count| count.parse::<usize>().ok()).unwrap_or(1);
        match element.name() {
            "p" => self.paragraphs.push(Paragraph { text: String::new(), level: self.in_title.then_some(1) }),
            "h" => {
                let level = element.attribute("outline-level").and_then(|level| level.parse().ok());
                self.paragraphs.push(Paragraph { text: String::new(), level: Some(level.unwrap_or(1)) });
            }
            "s" => self.mark(" ", count("c").min(MAX_SPACES)),
            "tab" => self.mark("\t", 1),
            "line-break" => self.mark("\n", 1),
            "soft-page-break" if self.kind == Kind::Text && !self.tables.is_open() => {
                if let Some(paragraph) = self.paragraphs.first_mut() {
                    output.text(&std::mem::take(&mut paragraph.text))?;
                }
                output.page_break()?;
            }
            "page" if self.kind == Kind::Presentation => {
                self.slides += 1;
                output.page(&self.slides.to_string())?;
            }
            "frame" => self.in_title = element.attribute("class").is_some_and(|class| class == "title"),
            "table" => self.start_table(element, output)?,
            "table-header-rows" => self.in_header_rows = true,
            "table-row" => self.row_repetitions = count("number-rows-repeated"),
            "table-cell" | "covered-table-cell" => {
                self.cell_repetitions = count("number-columns-repeated");
                self.cell_is_text = element.attribute("value-type").is_none_or(|kind| kind == "string");
                if element.name() == "table-cell" && self.kind != Kind::Spreadsheet {
                    // Covered cells follow those that cover them, and are empty.
                    self.tables.set_column_span(1);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn start_table(&mut self, element: &Element<'_>, output: &mut Output<'_>) -> Result<(), ParseError> {
        if self.kind == Kind::Spreadsheet && !self.tables.is_open() {
            let name = element.attribute("name").unwrap_or_default();
            output.page(&name)?;
            output.heading(1, &name)?;
            self.sheet_has_rows = false;
        }
        self.tables.start_table();
        Ok(())
    }

    fn end(&mut self, name: &str, output: &mut Output<'_>) -> Result<(), ParseError> {
        match name {
            "p" | "h" => match self.paragraphs.pop() {
                Some(paragraph) => self.end_paragraph(paragraph, output),
                None => Ok(()),
            },
            "frame" => {
                self.in_title = false;
                Ok(())
            }
            "table-cell" | "covered-table-cell" => {
                self.tables.end_cell(self.cell_repetitions);
                self.cell_repetitions = 1;
                Ok(())
            }
            "table-row" => self.end_row(output),
            "table-header-rows" => {
                self.in_header_rows = false;
                Ok(())
            }
            "table" => {
                self.tables.end_table();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn text(&mut self, text: &str, output: &mut Output<'_>) -> Result<(), ParseError> {
        let Some(paragraph) = self.paragraphs.last_mut() else {
            return Ok(());
        };
        push_collapsed(text, &mut paragraph.text);
        if paragraph.text.len() <= MAX_PARAGRAPH_BYTES {
            return Ok(());
        }
        let text = std::mem::take(&mut paragraph.text);
        paragraph.level = None;
        if self.tables.is_open() { self.tables.paragraph(&text, output) } else { output.text(&text) }
    }

    fn mark(&mut self, text: &str, times: usize) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.text.push_str(&text.repeat(times));
        }
    }

    fn end_paragraph(&mut self, paragraph: Paragraph, output: &mut Output<'_>) -> Result<(), ParseError> {
        let Paragraph { text, level } = paragraph;
        if self.tables.is_open() {
            if !text.trim().is_empty() {
                self.filled += 1;
                self.texts += usize::from(self.cell_is_text);
            }
            return self.tables.paragraph(&text, output);
        }
        match level {
            Some(level) => output.heading_line(level, &text),
            None => output.line(&text),
        }
    }

    fn end_row(&mut self, output: &mut Output<'_>) -> Result<(), ParseError> {
        let (filled, texts) = (std::mem::take(&mut self.filled), std::mem::take(&mut self.texts));
        let repetitions = std::mem::replace(&mut self.row_repetitions, 1);
        let Some(mut row) = self.tables.end_row() else {
            return Ok(());
        };
        if filled == 0 {
            return Ok(());
        }
        // Sheets rarely say which rows are headers: the first row with several texts, and nothing else, is one.
        let names_columns =
            self.kind == Kind::Spreadsheet && filled > 1 && filled == texts && !self.sheet_has_rows;
        self.sheet_has_rows = self.sheet_has_rows || filled > 1;
        row.is_header = self.in_header_rows || names_columns;
        let kept = repetitions.min(MAX_ROW_REPETITIONS);
        output.warn(WarningKind::RowsLeftOut, (repetitions - kept) as u64);
        output.warn(WarningKind::CellsTruncated, std::mem::take(&mut row.cells_left_out));
        row.cells.truncate(MAX_CELLS);
        for _ in 0..kept {
            output.row(row.is_header, row.cells.clone())?;
        }
        Ok(())
    }
}

/// Appends text with its white space reduced to single spaces: other spaces are elements.
fn push_collapsed(text: &str, paragraph: &mut String) {
    for character in text.chars() {
        if !matches!(character, ' ' | '\t' | '\n' | '\r') {
            paragraph.push(character);
        } else if !paragraph.is_empty() && !paragraph.ends_with([' ', '\t', '\n']) {
            paragraph.push(' ');
        }
    }
}
