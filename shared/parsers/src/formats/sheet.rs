//! What the formats of spreadsheets share.

mod number_format;

use calamine::ExcelDateTime;

use crate::ParseError;
use crate::output::Output;

pub(super) use number_format::NumberFormat;

/// The cells of one row at a time, in the order of their rows.
#[derive(Default)]
pub(super) struct Rows {
    row: u32,
    cells: Vec<String>,
    filled: usize,
    /// Cells that are text, as the names of columns are.
    texts: usize,
    has_rows: bool,
}

impl Rows {
    /// Adds a cell, after sending the row before it.
    pub(super) fn cell(
        &mut self,
        row: u32,
        column: usize,
        text: String,
        is_text: bool,
        output: &mut Output<'_>,
    ) -> Result<(), ParseError> {
        if row != self.row {
            self.finish(output)?;
            self.row = row;
        }
        if text.trim().is_empty() {
            return Ok(());
        }
        if self.cells.len() <= column {
            self.cells.resize(column + 1, String::new());
        }
        self.cells[column] = text;
        self.filled += 1;
        self.texts += usize::from(is_text);
        Ok(())
    }

    /// Sends the row. The first row with several cells names the columns if all of them are text.
    pub(super) fn finish(&mut self, output: &mut Output<'_>) -> Result<(), ParseError> {
        let cells = std::mem::take(&mut self.cells);
        let (filled, texts) = (std::mem::take(&mut self.filled), std::mem::take(&mut self.texts));
        if filled == 0 {
            return Ok(());
        }
        let is_first = !self.has_rows && filled > 1;
        self.has_rows = self.has_rows || filled > 1;
        output.row(is_first && texts == filled, cells)
    }
}

/// A number without an exponent, with the digits that a cell shows.
pub(super) fn number_text(number: f64) -> String {
    // Excel computes with 15 digits; the others are those of binary fractions.
    let rounded = format!("{number:.14e}").parse().unwrap_or(number);
    if rounded == 0.0 || (1e-5..1e16).contains(&f64::abs(rounded)) {
        format!("{rounded}")
    } else {
        format!("{rounded:e}")
    }
}

/// A date as `2024-01-31`, a time as `13:45:00`, both as `2024-01-31 13:45:00`, a duration as `26:30:00`.
pub(super) fn date_text(date: ExcelDateTime) -> String {
    const SECONDS_PER_DAY: f64 = 86_400.0;
    let days = date.as_f64();
    if date.is_duration() {
        let seconds = f64::abs(days * SECONDS_PER_DAY).round();
        if seconds < 1e15 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "positive and below 1e15"
            )]
            let seconds = seconds as u64;
            let sign = if days < 0.0 { "-" } else { "" };
            return format!("{sign}{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        }
    }
    let (year, month, day, hour, minute, second, _) = date.to_ymd_hms_milli();
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    if (0.0..1.0).contains(&days) {
        time
    } else if days.fract() == 0.0 {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02} {time}")
    }
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType::{DateTime, TimeDelta};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_have_the_digits_that_are_shown() {
        for (number, text) in
            [(0.1 + 0.2, "0.3"), (1e15, "1000000000000000"), (-2.5, "-2.5"), (0.0, "0"), (1e300, "1e300")]
        {
            assert_eq!(number_text(number), text);
        }
    }

    #[test]
    fn dates_times_and_durations_are_told_apart() {
        let text = |days, kind| date_text(ExcelDateTime::new(days, kind, false));
        assert_eq!(text(45_322.0, DateTime), "2024-01-31");
        assert_eq!(text(45_322.5, DateTime), "2024-01-31 12:00:00");
        assert_eq!(text(0.75, DateTime), "18:00:00");
        assert_eq!(text(1.25, TimeDelta), "30:00:00");
        assert_eq!(text(-0.5, TimeDelta), "-12:00:00");
    }

    proptest! {
        #[test]
        fn every_number_has_a_text(number in any::<f64>(), is_1904 in any::<bool>()) {
            prop_assert!(!number_text(number).is_empty());
            for kind in [DateTime, TimeDelta] {
                prop_assert!(!date_text(ExcelDateTime::new(number, kind, is_1904)).is_empty());
            }
        }
    }
}
