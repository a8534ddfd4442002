//! Tables of text documents: cells that contain paragraphs, and tables.

use crate::ParseError;
use crate::limits::{MAX_CELL_BYTES, MAX_CELLS};
use crate::output::{Output, TableRow};

/// The tables that are open, from the outermost. A table in a cell becomes lines of that cell.
#[derive(Default)]
pub(super) struct Tables {
    open: Vec<Table>,
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
    /// Empty cells that are not yet in the row: sheets end with thousands of them.
    empty_cells: usize,
    /// Filled cells that the row has no room for.
    cells_left_out: u64,
}

impl Tables {
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    pub(super) fn start_table(&mut self) {
        self.open.push(Table::default());
    }

    pub(super) fn end_table(&mut self) {
        self.open.pop();
    }

    /// Sets whether the table's first row names the columns.
    pub(super) fn set_header(&mut self, has_header: bool) {
        if let Some(table) = self.open.last_mut() {
            table.has_header = has_header;
        }
    }

    /// Sets whether this row names the columns.
    pub(super) fn set_row_is_header(&mut self, is_header: bool) {
        if let Some(table) = self.open.last_mut() {
            table.row_is_header = is_header;
        }
    }

    /// Sets the columns that this cell takes.
    pub(super) fn set_column_span(&mut self, columns: usize) {
        if let Some(table) = self.open.last_mut() {
            table.column_span = columns;
        }
    }

    /// Appends a paragraph to the cell. A cell that is longer than any is one of a table for layout: its row goes out
    /// as text.
    pub(super) fn paragraph(&mut self, text: &str, output: &mut Output<'_>) -> Result<(), ParseError> {
        let is_outermost = self.open.len() == 1;
        let Some(table) = self.open.last_mut() else {
            return output.line(text);
        };
        if table.is_overflowing {
            return output.line(text);
        }
        push_line(&mut table.cell, text);
        if table.cell.len() > MAX_CELL_BYTES && is_outermost {
            table.is_overflowing = true;
            let cell = std::mem::take(&mut table.cell);
            for cell in table.row.drain(..).chain([cell]).filter(|cell| !cell.is_empty()) {
                output.line(&cell)?;
            }
        }
        Ok(())
    }

    /// Ends a cell that is there this many times.
    pub(super) fn end_cell(&mut self, times: usize) {
        let Some(table) = self.open.last_mut() else { return };
        let cell = std::mem::take(&mut table.cell);
        let span = std::mem::take(&mut table.column_span).max(1);
        if cell.trim().is_empty() {
            table.empty_cells = table.empty_cells.saturating_add(times.saturating_mul(span));
            return;
        }
        let start = table.row.len().saturating_add(std::mem::take(&mut table.empty_cells));
        if start >= MAX_CELLS {
            // The cells before it stay in their columns.
            table.empty_cells = start - table.row.len();
            table.cells_left_out += times as u64;
            return;
        }
        table.row.resize(start, String::new());
        let kept = times.min(MAX_CELLS - start);
        table.cells_left_out += (times - kept) as u64;
        table.row.extend(std::iter::repeat_n(cell, kept));
        table.empty_cells = span - 1;
    }

    /// Ends a row. Returns it if it is one of an outermost table.
    pub(super) fn end_row(&mut self) -> Option<TableRow> {
        let (table, outer) = self.open.split_last_mut()?;
        let is_header = table.row_is_header || (table.has_header && !table.has_rows);
        let cells = std::mem::take(&mut table.row);
        let cells_left_out = std::mem::take(&mut table.cells_left_out);
        table.has_rows = true;
        table.row_is_header = false;
        table.empty_cells = 0;
        if std::mem::take(&mut table.is_overflowing) {
            return None;
        }
        let Some(outer) = outer.last_mut() else {
            return Some(TableRow { is_header, cells, cells_left_out });
        };
        for cell in cells.iter().filter(|cell| !cell.trim().is_empty()) {
            push_line(&mut outer.cell, cell);
        }
        None
    }
}

/// Appends a line to a cell that has room for it. Only outermost cells may overflow.
fn push_line(cell: &mut String, line: &str) {
    if cell.len() > MAX_CELL_BYTES || line.is_empty() {
        return;
    }
    if !cell.is_empty() {
        cell.push('\n');
    }
    cell.push_str(line);
}
