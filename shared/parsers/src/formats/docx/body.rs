//! The paragraphs and tables of a part.

use std::collections::HashSet;
use std::io::BufRead;

use super::styles::{Role, Styles, role_of};
use crate::ParseError;
use crate::formats::table::Tables;
use crate::limits::{MAX_CELLS, MAX_PARAGRAPH_BYTES};
use crate::output::Output;
use crate::xml::{Element, Node, Xml};

/// Different lines of headers and footers that are remembered.
const MAX_REMEMBERED_LINES: usize = 1_000;

/// Reads one part.
pub(super) struct Body<'a> {
    styles: &'a Styles,
    /// Lines that are left out when they come again.
    seen: Option<&'a mut HashSet<String>>,
    /// Open paragraphs: a text box is inside one.
    paragraphs: Vec<Paragraph>,
    tables: Tables,
    in_run: bool,
    is_hidden: bool,
}

struct Paragraph {
    text: String,
    role: Role,
}

impl<'a> Body<'a> {
    pub(super) fn new(styles: &'a Styles) -> Self {
        Self {
            styles,
            seen: None,
            paragraphs: Vec::new(),
            tables: Tables::default(),
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
            "tbl" => self.tables.start_table(),
            "tblLook" => {
                let bits = u32::from_str_radix(&value(), 16).unwrap_or_default();
                self.tables.set_header(element.is_on("firstRow") || bits & 0x20 != 0);
            }
            "tblHeader" => {
                self.tables.set_row_is_header(element.attribute("val").is_none() || element.is_on("val"));
            }
            "gridSpan" => self.tables.set_column_span(value().parse().unwrap_or(1).clamp(1, MAX_CELLS)),
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
                self.tables.end_cell(1);
                Ok(())
            }
            "tr" => self.end_row(output),
            "tbl" => {
                self.tables.end_table();
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
        if paragraph.text.len() > MAX_PARAGRAPH_BYTES {
            let text = std::mem::take(&mut paragraph.text);
            paragraph.role = Role::Body;
            if self.tables.is_open() {
                self.tables.paragraph(&text, output)?;
            } else {
                output.text(&text)?;
            }
        }
        Ok(())
    }

    fn end_paragraph(&mut self, paragraph: Paragraph, output: &mut Output<'_>) -> Result<(), ParseError> {
        let Paragraph { text, role } = paragraph;
        if self.tables.is_open() {
            self.tables.paragraph(&text, output)
        } else {
            self.paragraph_line(&text, role, output)
        }
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

    fn end_row(&mut self, output: &mut Output<'_>) -> Result<(), ParseError> {
        match self.tables.end_row() {
            Some(row) if self.seen.is_some() => {
                self.paragraph_line(&row.cells.join("\t"), Role::Body, output)
            }
            Some(row) => output.table_row(row),
            None => Ok(()),
        }
    }
}
