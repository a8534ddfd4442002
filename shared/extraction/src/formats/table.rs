//! Tables: CSV and TSV. Each row becomes a line, its cells are separated by tabs.

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};
use domain::Layout;

use crate::text::{Rewrite, TextReader};
use crate::{EmptyReason, Format};

const NAME: &str = "table (CSV)";

/// Bytes by which the delimiter is detected.
const HEAD_BYTES: usize = 4096;

/// Rows by which it is detected.
const HEAD_ROWS: usize = 10;

/// What may separate cells, the most likely first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

pub(super) static FORMAT: Format = Format {
    name: NAME,
    layout: Layout::Table,
    has_headings: false,
    signatures: &[],
    extensions: &["csv", "tsv", "tab"],
    file_names: &[],
    media_types: &["text/csv", "text/tab-separated-values"],
    is_start_of: |_| false,
    empty_reason: EmptyReason::OnlyWhiteSpace,
    open: |content_type| Box::new(TextReader::rewritten(NAME, content_type, Table::default())),
};

/// Rewrites a table.
#[derive(Default)]
struct Table {
    /// The start of the file, until the delimiter is known.
    head: String,
    reader: Option<Box<Reader>>,
    /// The end of a cell's text so far, where it is not a whole character.
    cell: Vec<u8>,
    /// White space that is written if the cell goes on.
    has_space: bool,
    /// Tabs that are written if the row goes on.
    tabs: usize,
    row_is_empty: bool,
    has_rows: bool,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Table").field("has_rows", &self.has_rows).finish_non_exhaustive()
    }
}

impl Table {
    fn start(&mut self, out: &mut String) {
        let head = std::mem::take(&mut self.head);
        let (delimiter, skipped) = match declared_delimiter(&head) {
            Some(declared) => declared,
            None => (delimiter_of(&head), 0),
        };
        self.reader = Some(Box::new(ReaderBuilder::new().delimiter(delimiter).build()));
        self.row_is_empty = true;
        self.read(&head.as_bytes()[skipped..], out);
    }

    /// Reads the next bytes; without any, the table ends.
    fn read(&mut self, mut bytes: &[u8], out: &mut String) {
        let Some(mut reader) = self.reader.take() else {
            return;
        };
        let is_end = bytes.is_empty();
        let mut buffer = [0; 1024];
        loop {
            let (result, read, written) = reader.read_field(bytes, &mut buffer);
            bytes = &bytes[read..];
            self.cell.extend_from_slice(&buffer[..written]);
            self.write_cell(out);
            match result {
                ReadFieldResult::Field { record_end } => self.end_cell(record_end),
                ReadFieldResult::OutputFull => {}
                ReadFieldResult::InputEmpty if is_end => {}
                ReadFieldResult::InputEmpty | ReadFieldResult::End => break,
            }
        }
        self.reader = Some(reader);
    }

    /// Writes the whole characters of a cell. Line breaks and tabs become spaces.
    fn write_cell(&mut self, out: &mut String) {
        let whole = match std::str::from_utf8(&self.cell) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let text = String::from_utf8_lossy(&self.cell[..whole]);
        for part in text.split_inclusive(char::is_whitespace) {
            let word = part.trim_end();
            if !word.is_empty() {
                if self.row_is_empty && self.has_rows {
                    out.push('\n');
                }
                (0..std::mem::take(&mut self.tabs)).for_each(|_| out.push('\t'));
                if std::mem::take(&mut self.has_space) {
                    out.push(' ');
                }
                out.push_str(word);
                self.row_is_empty = false;
                self.has_rows = true;
            }
            self.has_space |= word.len() < part.len() && self.tabs == 0 && !self.row_is_empty;
        }
        self.cell.drain(..whole);
    }

    fn end_cell(&mut self, is_row_end: bool) {
        self.has_space = false;
        if is_row_end {
            self.tabs = 0;
            self.row_is_empty = true;
        } else {
            self.tabs += 1;
        }
    }
}

impl Rewrite for Table {
    fn push(&mut self, text: &str, out: &mut String) {
        if self.reader.is_some() {
            if !text.is_empty() {
                self.read(text.as_bytes(), out);
            }
            return;
        }
        self.head.push_str(if self.head.is_empty() { text.trim_start_matches(['\n', '\r']) } else { text });
        if self.head.len() >= HEAD_BYTES {
            self.start(out);
        }
    }

    fn finish(&mut self, out: &mut String) -> u64 {
        if self.reader.is_none() && !self.head.is_empty() {
            self.start(out);
        }
        self.read(b"", out);
        0
    }

    #[cfg(test)]
    fn buffered_bytes(&self) -> usize {
        self.head.capacity() + self.cell.capacity()
    }
}

/// Returns the delimiter of Excel's first line `sep=;` with the length of the line.
fn declared_delimiter(head: &str) -> Option<(u8, usize)> {
    let line = head.split(['\n', '\r']).next()?;
    let delimiter = line.strip_prefix("sep=")?;
    matches!(delimiter.as_bytes(), [_]).then(|| (delimiter.as_bytes()[0], line.len()))
}

/// Detects the delimiter: the one that all of the first rows have, and most often.
fn delimiter_of(head: &str) -> u8 {
    let head = &head[..head.floor_char_boundary(HEAD_BYTES)];
    let mut counts = [[0_usize; DELIMITERS.len()]; HEAD_ROWS];
    let (mut row, mut is_quoted, mut has_cells) = (0, false, false);
    for byte in head.bytes() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' | b'\r' if !is_quoted && has_cells => {
                (row, has_cells) = (row + 1, false);
                if row == HEAD_ROWS {
                    break;
                }
            }
            _ if !is_quoted => {
                has_cells |= !matches!(byte, b'\n' | b'\r');
                if let Some(position) = DELIMITERS.iter().position(|delimiter| *delimiter == byte) {
                    counts[row][position] += 1;
                }
            }
            _ => {}
        }
    }
    // The last row may be cut.
    let rows = &counts[..row.max(1)];
    let least = |position: usize| rows.iter().map(|row| row[position]).min().unwrap_or(0);
    let best = (0..DELIMITERS.len()).rev().max_by_key(|position| least(*position));
    best.map_or(b',', |position| DELIMITERS[position])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::testing::extract;

    #[test]
    fn row_is_a_line_with_tabs_between_its_cells() {
        let table =
            "name,crew,note\r\n\"Otter, north\",2,\"said \"\"hi\"\"\r\n and left\"\r\n\r\nHeron,,\n,3,größer";
        let expected = "name\tcrew\tnote\nOtter, north\t2\tsaid \"hi\" and left\nHeron\n\t3\tgrößer";
        assert_eq!(extract("a.csv", table), expected);
    }

    #[test]
    fn delimiter_is_detected() {
        for (table, expected) in [
            ("a;b;c\n1,5;2,5;3\n", "a\tb\tc\n1,5\t2,5\t3"),
            ("a\tb\n1, 2\t3\n", "a\tb\n1, 2\t3"),
            ("a|b\n\"x|y\"|2\n", "a\tb\nx|y\t2"),
            ("sep=;\na;b\n1;2\n", "a\tb\n1\t2"),
            ("name\none, two\nthree\n", "name\none\ttwo\nthree"),
            ("a,b", "a\tb"),
        ] {
            assert_eq!(extract("a.csv", table), expected);
        }
        assert_eq!(extract("a.tsv", "a\tb\nc d\te\n"), "a\tb\nc d\te");
    }

    #[test]
    fn long_cell_takes_little_memory() {
        let (mut table, mut out) = (Table::default(), String::new());
        table.push("a,b\n1,\"", &mut out);
        for _ in 0..1000 {
            table.push(&"größer\n".repeat(100), &mut out);
            out.clear();
            assert!(table.buffered_bytes() < 64 * 1024);
        }
    }

    proptest! {
        #[test]
        fn cells_are_kept_in_order(rows in prop::collection::vec(prop::collection::vec("[a-z;\"\né]{1,9}", 3), 1..20)) {
            let cell = |text: &String| format!("\"{}\"", text.replace('"', "\"\""));
            let table: Vec<String> = rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(",")).collect();
            let clean = |text: &String| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let lines = rows.iter().map(|row| row.iter().map(clean).collect::<Vec<_>>().join("\t"));
            let lines: Vec<String> = lines.map(|line| line.trim_end_matches('\t').to_owned()).collect();
            let expected: Vec<String> = lines.into_iter().filter(|line| !line.is_empty()).collect();
            prop_assert_eq!(extract("a.csv", &table.join("\n")), expected.join("\n"));
        }
    }
}
