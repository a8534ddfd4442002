//! The paragraphs and tables of a part.

use std::collections::HashSet;
use std::io::BufRead;

use super::styles::{Role, Styles, role_of};
use crate::ParseError;
use crate::limits::{MAX_CELL_BYTES, MAX_CELLS};
use crate::output::Output;
use crate::xml::{Element, Node, Xml};

/// Text of a paragraph that is held until its end.
const MAX_PARAGRAPH_BYTES: usize = 64 << 10;

/// Different lines of headers and footers that are remembered.
const MAX_REMEMBERED_LINES: usize = 1_000;

/// Reads one part.
pub(super) struct Body<'a> {
    styles: &'a Styles,
    /// Lines that are left out when they come again.
    seen: Option<&'a mut HashSet<String>>,
    /// Open paragraphs: a text box is inside one.
    paragraphs: Vec<Paragraph>,
    /// Open tables, from the outermost.
    tables: Vec<Table>,
    in_run: bool,
    is_hidden: bool,
}

struct Paragraph {
    text: String,
    role: Role,
}

#[derive(Default)]
struct Table {
    /// Whether its first row names the columns.
    has_header: bool,
    has_rows: bool,
    row: Vec<String>,
    row_is_header: bool,
    /// Whether the row is too long for one, and goes out as text.
    is_overflowing: bool,
    cell: String,
    column_span: usize,
}

impl<'a> Body<'a> {
    pub(super) fn new(styles: &'a Styles) -> Self {
        Self {
            styles,
            seen: None,
            paragraphs: Vec::new(),
            tables: Vec::new(),
            in_run: false,
            is_hidden: false,
        }
    }

    pub(super) fn without_repetition(styles: &'a Styles, seen: &'a mut HashSet<String>) -> Self {
        Self { seen: Some(seen), ..Self::new(styles) }
    }

    pub(super) fn append<R: BufRead>(
        mut self,
        mut xml: Xml<R>,
        output: &mut Output<'_>,
    ) -> Result<(), ParseError> {
        let mut in_text = false;
        while let Some(node) = xml.next()? {
            match node {
                Node::Start(element) => match element.name() {
                    // What is shown once more for older programs, and what changes have taken away.
                    "Fallback" | "del" | "moveFrom" => xml.skip_element()?,
                    "t" => in_text = true,
                    _ => self.start(&element),
                },
                Node::End(name) if name == "t" => in_text = false,
                Node::End(name) => self.end(&name, output)?,
                Node::Text(text) if in_text => self.text(&text, output)?,
                Node::Text(_) => {}
            }
        }
        while let Some(paragraph) = self.paragraphs.pop() {
            self.end_paragraph(paragraph, output)?;
        }
        Ok(())
    }

    fn start(&mut self, element: &Element<'_>) {
        let value = || element.attribute("val").unwrap_or_default();
        match element.name() {
            "p" => self.paragraphs.push(Paragraph { text: String::new(), role: Role::Body }),
            "r" => {
                self.in_run = true;
                self.is_hidden = false;
            }
            "vanish" if self.in_run => {
                self.is_hidden = element.attribute("val").is_none() || element.is_on("val");
            }
            "pStyle" => self.set_role(self.styles.role(&value())),
            "outlineLvl" => {
                if let Ok(level) = value().parse() {
                    self.set_role(role_of(level));
                }
            }
            "tab" | "ptab" if self.in_run => self.mark('\t'),
            "br" | "cr" if self.in_run => self.mark('\n'),
            "noBreakHyphen" => self.mark('-'),
            "tbl" => self.tables.push(Table::default()),
            "tblLook" => {
                let bits = u32::from_str_radix(&value(), 16).unwrap_or_default();
                if let Some(table) = self.tables.last_mut() {
                    table.has_header = element.is_on("firstRow") || bits & 0x20 != 0;
                }
            }
            "tblHeader" => {
                if let Some(table) = self.tables.last_mut() {
                    table.row_is_header = element.attribute("val").is_none() || element.is_on("val");
                }
            }
            "gridSpan" => {
                if let Some(table) = self.tables.last_mut() {
                    table.column_span = value().parse().unwrap_or(1).clamp(1, MAX_CELLS);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str, output: &mut Output<'_>) -> Result<(), ParseError> {
        match name {
            "p" => match self.paragraphs.pop() {
                Some(paragraph) => self.end_paragraph(paragraph, output),
                None => Ok(()),
            },
            "r" => {
                self.in_run = false;
                Ok(())
            }
            "tc" => {
                if let Some(table) = self.tables.last_mut().filter(|table| table.row.len() < MAX_CELLS) {
                    table.row.push(std::mem::take(&mut table.cell));
                    let span = std::mem::take(&mut table.column_span).max(1);
                    table.row.resize(table.row.len() + span - 1, String::new());
                }
                Ok(())
            }
            "tr" => self.end_row(output),
            "tbl" => {
                self.tables.pop();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn set_role(&mut self, role: Role) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.role = role;
        }
    }

    fn mark(&mut self, character: char) {
        if let Some(paragraph) = self.paragraphs.last_mut().filter(|_| !self.is_hidden) {
            paragraph.text.push(character);
        }
    }

    fn text(&mut self, text: &str, output: &mut Output<'_>) -> Result<(), ParseError> {
        if self.is_hidden && self.in_run {
            return Ok(());
        }
        let Some(paragraph) = self.paragraphs.last_mut() else {
            return Ok(());
        };
        paragraph.text.push_str(text);
        if paragraph.text.len() > MAX_PARAGRAPH_BYTES && self.tables.is_empty() {
            output.text(&std::mem::take(&mut paragraph.text))?;
            paragraph.role = Role::Body;
        }
        Ok(())
    }

    fn end_paragraph(&mut self, paragraph: Paragraph, output: &mut Output<'_>) -> Result<(), ParseError> {
        let Paragraph { text, role } = paragraph;
        let Some(table) = self.tables.last_mut() else {
            return self.paragraph_line(&text, role, output);
        };
        if table.is_overflowing {
            return output.line(&text);
        }
        if !table.cell.is_empty() && !text.is_empty() {
            table.cell.push('\n');
        }
        table.cell.push_str(&text);
        if table.cell.len() > MAX_CELL_BYTES && self.tables.len() == 1 {
            // A table for layout, whose cell is a document.
            self.overflow(output)?;
        }
        Ok(())
    }

    fn paragraph_line(&mut self, text: &str, role: Role, output: &mut Output<'_>) -> Result<(), ParseError> {
        if let Some(seen) = &mut self.seen {
            let is_new = text.chars().any(char::is_alphabetic)
                && seen.len() < MAX_REMEMBERED_LINES
                && seen.insert(text.to_owned());
            return if is_new { output.line(text) } else { Ok(()) };
        }
        match role {
            Role::Body => output.line(text),
            Role::Heading(level) => output.heading_line(level, text),
            Role::Title => {
                output.title(text)?;
                output.heading_line(1, text)
            }
        }
    }

    /// Sends what the row has so far as text.
    fn overflow(&mut self, output: &mut Output<'_>) -> Result<(), ParseError> {
        if let Some(table) = self.tables.last_mut() {
            table.is_overflowing = true;
            let cell = std::mem::take(&mut table.cell);
            for cell in table.row.drain(..).chain([cell]) {
                output.line(&cell)?;
            }
        }
        Ok(())
    }

    fn end_row(&mut self, output: &mut Output<'_>) -> Result<(), ParseError> {
        let depth = self.tables.len();
        let Some(table) = self.tables.last_mut() else {
            return Ok(());
        };
        let is_header = (table.row_is_header || table.has_header) && !table.has_rows || table.row_is_header;
        let cells = std::mem::take(&mut table.row);
        table.has_rows = true;
        table.row_is_header = false;
        table.column_span = 0;
        if std::mem::take(&mut table.is_overflowing) {
            return Ok(());
        }
        if depth > 1 {
            // A table in a cell: its rows are lines of the cell.
            let outer = &mut self.tables[depth - 2];
            for cell in cells.iter().filter(|cell| !cell.trim().is_empty()) {
                let separator = if outer.cell.is_empty() { "" } else { "\n" };
                if outer.cell.len() < MAX_CELL_BYTES {
                    outer.cell.push_str(separator);
                    outer.cell.push_str(cell);
                }
            }
            return Ok(());
        }
        if self.seen.is_some() {
            return self.paragraph_line(&cells.join("\t"), Role::Body, output);
        }
        output.row(is_header, cells)
    }
}
