//! XLSX: sheets as pages, with one row per line.
//!
//! calamine's reader of cells streams a sheet: two million rows take 9 MB. Its reader of ranges, and the other
//! libraries, hold the sheet, and allocate every cell between two that are far apart.

use std::io::{self, BufReader, Read, Seek};

use calamine::{DataRef, Reader, SheetType, Style, Xlsx, XlsxError};

use crate::formats::docx::core_properties;
use crate::formats::sheet::{NumberFormat, Rows, date_text, number_text};
use crate::limits::{MAX_CELLS, MAX_SHARED_STRINGS, MAX_SHARED_STRINGS_BYTES};
use crate::output::Output;
use crate::package::{Package, io_failure};
use crate::parser::Parser;
use crate::xml::Node;
use crate::{Input, Options, ParseError};

use frames::WarningKind;

pub(crate) const PARSER: Parser = Parser { parse, no_text: "the workbook has no cells with text" };

const WHAT: &str = "the workbook";

fn parse(input: &mut dyn Input, _options: &Options, output: &mut Output<'_>) -> Result<(), ParseError> {
    {
        let mut package = Package::open(input, WHAT)?;
        core_properties(&mut package, output)?;
        check_shared_strings(&mut package)?;
    }
    input.rewind().map_err(ParseError::Input)?;
    let mut workbook: Xlsx<_> = Xlsx::new(BufReader::new(input)).map_err(failure)?;
    let sheets = workbook.sheets_metadata().to_vec();
    for sheet in sheets.iter().filter(|sheet| sheet.typ == SheetType::WorkSheet) {
        output.page(&sheet.name)?;
        output.heading(1, &sheet.name)?;
        if let Err(error) = append_sheet(&mut workbook, &sheet.name, output)? {
            match error {
                XlsxError::Password => return Err(ParseError::encrypted(WHAT)),
                _damaged => output.warn(WarningKind::PartsUnreadable, 1),
            }
        }
    }
    Ok(())
}

/// Checks what the reader of workbooks reads into memory.
fn check_shared_strings(package: &mut Package<'_>) -> Result<(), ParseError> {
    const PATH: &str = "xl/sharedStrings.xml";
    let bytes = package.declared_bytes(PATH)?.unwrap_or_default();
    if bytes > MAX_SHARED_STRINGS_BYTES {
        let limit = MAX_SHARED_STRINGS_BYTES >> 20;
        let reason =
            format!("{WHAT} has {} MiB of shared text; at most {limit} MiB are allowed", bytes >> 20);
        return Err(ParseError::too_large(reason));
    }
    if let Some(count) = declared_strings(package, PATH)?.filter(|count| *count > MAX_SHARED_STRINGS) {
        let reason = format!("{WHAT} has {count} shared texts; at most {MAX_SHARED_STRINGS} are allowed");
        return Err(ParseError::too_large(reason));
    }
    // What the archive declares may be wrong.
    let Some(part) = package.part(PATH)? else {
        return Ok(());
    };
    let unpacked = io::copy(&mut part.take(MAX_SHARED_STRINGS_BYTES + 1), &mut io::sink());
    if unpacked.map_err(|error| io_failure(WHAT, error))? > MAX_SHARED_STRINGS_BYTES {
        return Err(ParseError::damaged(WHAT, "the sizes of its parts are wrong"));
    }
    Ok(())
}

fn declared_strings(package: &mut Package<'_>, path: &str) -> Result<Option<u64>, ParseError> {
    let Some(mut xml) = package.xml(path)? else {
        return Ok(None);
    };
    while let Some(node) = xml.next()? {
        if let Node::Start(element) = node {
            return Ok(element.attribute("uniqueCount").and_then(|count| count.parse().ok()));
        }
    }
    Ok(None)
}

/// Appends the rows of a sheet. The inner error means that the rest of this sheet is unreadable.
fn append_sheet<R: Read + Seek>(
    workbook: &mut Xlsx<R>,
    name: &str,
    output: &mut Output<'_>,
) -> Result<Result<(), XlsxError>, ParseError> {
    let mut cells = match workbook.worksheet_cells_reader(name) {
        Ok(cells) => cells,
        Err(error) => return Ok(Err(error)),
    };
    let format = |style: &Style| NumberFormat::parse(&style.number_format.as_ref()?.format_code);
    let formats: Vec<Option<NumberFormat>> = cells.styles().iter().map(format).collect();
    let mut rows = Rows::default();
    loop {
        let (cell, style) = match cells.next_cell_with_style_id() {
            Ok(Some(cell)) => cell,
            Ok(None) => break,
            Err(error) => {
                rows.finish(output)?;
                return Ok(Err(error));
            }
        };
        let (row, column) = cell.get_position();
        if column as usize >= MAX_CELLS {
            if *cell.get_value() != DataRef::Empty {
                output.warn(WarningKind::CellsTruncated, 1);
            }
            continue;
        }
        let shown = |number: f64| {
            let formatted = formats.get(style).and_then(|format| format.as_ref()?.apply(number));
            formatted.unwrap_or_else(|| number_text(number))
        };
        let (text, is_text) = match cell.get_value() {
            DataRef::Empty => continue,
            DataRef::String(text) => (text.clone(), true),
            DataRef::SharedString(text) => ((*text).to_owned(), true),
            DataRef::Int(number) => (number.to_string(), false),
            DataRef::Float(number) => (shown(*number), false),
            DataRef::Bool(true) => ("TRUE".to_owned(), false),
            DataRef::Bool(false) => ("FALSE".to_owned(), false),
            DataRef::DateTime(date) => (date_text(*date), false),
            DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => (text.clone(), false),
            DataRef::Error(error) => (error.to_string(), false),
        };
        rows.cell(row, column as usize, text, is_text, output)?;
    }
    rows.finish(output)?;
    Ok(Ok(()))
}

fn failure(error: XlsxError) -> ParseError {
    match error {
        XlsxError::Password => ParseError::encrypted(WHAT),
        other => ParseError::damaged(WHAT, other),
    }
}

#[cfg(test)]
mod tests;
