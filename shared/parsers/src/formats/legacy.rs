//! DOC and PPT, read with undoc.
//!
//! Worth its weight: five crates that are here anyway, but for a small one, and a word F1 of .989, where an own reader
//! of the piece table would lose lists, notes and documents of Word 6. It holds the file in memory, whose size is
//! limited.

use undoc::model::{Block, Paragraph, Table};
use undoc::{Document, Error};

use super::compound;
use crate::output::Output;
use crate::parser::Parser;
use crate::{Input, Options, ParseError};

pub(crate) const WORD_PARSER: Parser =
    Parser { parse: parse_word, no_text: "the Word document has no text, perhaps only images" };

pub(crate) const POWERPOINT_PARSER: Parser =
    Parser { parse: parse_powerpoint, no_text: "the presentation has no text, perhaps only images" };

fn parse_word(input: &mut dyn Input, _options: &Options, output: &mut Output<'_>) -> Result<(), ParseError> {
    const WHAT: &str = "the Word document";
    let bytes = compound::read(input, WHAT)?;
    let document = undoc::doc::DocParser::from_bytes(bytes).and_then(|mut parser| parser.parse());
    append(&document.map_err(|error| failure(WHAT, &error))?, false, output)
}

fn parse_powerpoint(
    input: &mut dyn Input,
    _options: &Options,
    output: &mut Output<'_>,
) -> Result<(), ParseError> {
    const WHAT: &str = "the presentation";
    let bytes = compound::read(input, WHAT)?;
    let document = undoc::ppt::PptParser::from_bytes(bytes).and_then(|mut parser| parser.parse());
    append(&document.map_err(|error| failure(WHAT, &error))?, true, output)
}

fn failure(what: &str, error: &Error) -> ParseError {
    match error {
        Error::Encrypted => ParseError::encrypted(what),
        other => ParseError::damaged(what, other),
    }
}

fn append(document: &Document, has_slides: bool, output: &mut Output<'_>) -> Result<(), ParseError> {
    output.title(document.metadata.title.as_deref().unwrap_or_default())?;
    for (index, section) in document.sections.iter().enumerate() {
        if has_slides {
            output.page(&(index + 1).to_string())?;
        }
        for block in &section.content {
            match block {
                Block::Paragraph(paragraph) => append_paragraph(paragraph, output)?,
                Block::Table(table) => append_table(table, output)?,
                Block::Note { content, .. } => append_paragraphs(content, output)?,
                _ => {}
            }
        }
        let further = [&section.notes, &section.header, &section.footer];
        for paragraphs in further.into_iter().flatten() {
            append_paragraphs(paragraphs, output)?;
        }
    }
    Ok(())
}

fn append_paragraphs(paragraphs: &[Paragraph], output: &mut Output<'_>) -> Result<(), ParseError> {
    paragraphs.iter().try_for_each(|paragraph| append_paragraph(paragraph, output))
}

fn append_paragraph(paragraph: &Paragraph, output: &mut Output<'_>) -> Result<(), ParseError> {
    let text = text_of(paragraph);
    match paragraph.heading.level() {
        0 => output.line(&text),
        level => output.heading_line(level, &text),
    }
}

/// The text of a paragraph. The library's own method adds marks for notes and pages.
fn text_of(paragraph: &Paragraph) -> String {
    let mut text = String::new();
    for run in &paragraph.runs {
        text.push_str(&run.text);
        if run.line_break {
            text.push('\n');
        }
    }
    text
}

fn append_table(table: &Table, output: &mut Output<'_>) -> Result<(), ParseError> {
    for row in &table.rows {
        let cells = row.cells.iter().map(|cell| {
            let lines: Vec<String> = cell.content.iter().map(text_of).collect();
            lines.join("\n")
        });
        output.row(row.is_header, cells.collect())?;
        for nested in row.cells.iter().flat_map(|cell| &cell.nested_tables) {
            append_table(nested, output)?;
        }
    }
    Ok(())
}
