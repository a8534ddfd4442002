//! XLS: sheets as pages, with one row per line.
//!
//! calamine holds the workbook in memory, whose size is limited: the format has no more than 65,536 rows in a sheet.

use std::io::BufReader;

use calamine::{Data, Reader, Xls, XlsError};

use crate::formats::sheet::{Rows, date_text, number_text};
use crate::inflated::size;
use crate::limits::{MAX_CELLS, MAX_COMPOUND_FILE_BYTES};
use crate::output::Output;
use crate::parser::Parser;
use crate::{Input, Options, ParseError};

pub(crate) const PARSER: Parser = Parser { parse, no_text: "the workbook has no cells with text" };

const WHAT: &str = "the workbook";

fn parse(input: &mut dyn Input, _options: &Options, output: &mut Output<'_>) -> Result<(), ParseError> {
    if size(input)? > MAX_COMPOUND_FILE_BYTES {
        let limit = MAX_COMPOUND_FILE_BYTES >> 20;
        return Err(ParseError::too_large(format!("{WHAT} has more than {limit} MiB; save it as XLSX")));
    }
    let mut workbook: Xls<_> = Xls::new(BufReader::new(input)).map_err(failure)?;
    for name in workbook.sheet_names() {
        output.page(&name)?;
        output.heading(1, &name)?;
        let range = workbook.worksheet_range(&name).map_err(failure)?;
        let mut rows = Rows::default();
        for (row, column, value) in range.used_cells() {
            // The first column of the range is not the sheet's.
            let column = column + range.start().map_or(0, |(_, column)| column as usize);
            if column >= MAX_CELLS {
                continue;
            }
            let (text, is_text) = match value {
                Data::Empty => continue,
                Data::String(text) => (text.clone(), true),
                Data::Int(number) => (number.to_string(), false),
                Data::Float(number) => (number_text(*number), false),
                Data::Bool(true) => ("TRUE".to_owned(), false),
                Data::Bool(false) => ("FALSE".to_owned(), false),
                Data::DateTime(date) => (date_text(*date), false),
                Data::DateTimeIso(text) | Data::DurationIso(text) => (text.clone(), false),
                Data::Error(error) => (error.to_string(), false),
            };
            rows.cell(u32::try_from(row).unwrap_or(u32::MAX), column, text, is_text, output)?;
        }
        rows.finish(output)?;
    }
    Ok(())
}

fn failure(error: XlsError) -> ParseError {
    match error {
        XlsError::Password => ParseError::encrypted(WHAT),
        other => ParseError::damaged(WHAT, other),
    }
}

#[cfg(test)]
mod tests {
    use frames::DocumentFormat::Xls;

    use crate::formats::compound::tests::compound;
    use crate::testing::{shown, survives_damage};

    /// A record of BIFF8.
    fn record(kind: u16, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap();
        [kind.to_le_bytes().as_slice(), &length.to_le_bytes(), content].concat()
    }

    /// A workbook with these records in its globals, and these in its only sheet.
    fn workbook_of(global: &[u8], cells: &[u8]) -> Vec<u8> {
        let start = |kind: u16| record(0x0809, &[&[0, 6], kind.to_le_bytes().as_slice(), &[0; 12]].concat());
        let end = record(0x000A, &[]);
        let globals = |offset: usize| {
            let offset = u32::try_from(offset).unwrap().to_le_bytes();
            let sheet = record(0x0085, &[offset.as_slice(), &[0, 0, 4, 0], b"Teas"].concat());
            [start(5).as_slice(), &sheet, global, &end].concat()
        };
        let globals = globals(globals(0).len());
        compound(&[("/Workbook", &[globals.as_slice(), &start(0x10), cells, &end].concat())])
    }

    fn workbook() -> Vec<u8> {
        let label = |row: u8, column: u8, text: &str| {
            let length = u8::try_from(text.len()).unwrap();
            record(0x0204, &[&[row, 0, column, 0, 0, 0, length, 0, 0], text.as_bytes()].concat())
        };
        let cells =
            [label(0, 0, "Name"), label(0, 1, "Price"), label(1, 0, "Tea"), number(1, 1, 2.5)].concat();
        workbook_of(&[], &cells)
    }

    fn number(row: u8, column: u8, number: f64) -> Vec<u8> {
        record(0x0203, &[[row, 0, column, 0, 0, 0].as_slice(), &number.to_le_bytes()].concat())
    }

    #[test]
    fn sheets_are_pages_with_a_header() {
        assert_eq!(
            shown(Xls, &workbook()).unwrap(),
            "[page 0 Teas]\n[h1 Teas]\n[header Name|Price]\n[row Tea|2.5]\n"
        );
    }

    #[test]
    fn dates_count_from_1900_or_1904() {
        // The first style of cells has the built-in format of dates. An integer is stored shifted.
        let style = record(0x00E0, &[[0, 0, 14, 0].as_slice(), &[0; 16]].concat());
        let dates = |days: i32| {
            let integer = (days << 2 | 2).to_le_bytes();
            let integer = record(0x027E, &[[0, 0, 1, 0, 0, 0].as_slice(), &integer].concat());
            [number(0, 0, f64::from(days) + 0.5), integer].concat()
        };
        for (date_system, days) in [(0, 45_322), (1, 43_860)] {
            let globals = [record(0x0022, &[date_system, 0]), style.clone()].concat();
            assert_eq!(
                shown(Xls, &workbook_of(&globals, &dates(days))).unwrap(),
                "[page 0 Teas]\n[h1 Teas]\n[row 2024-01-31 12:00:00|2024-01-31]\n"
            );
        }
    }

    #[test]
    fn damaged_workbooks_do_not_panic() {
        survives_damage(Xls, &workbook());
    }
}
