//! Metrics in CloudWatch's embedded metric format: a JSON object in a line of standard output, from which
//! CloudWatch makes metrics without a call.
//!
//! What an invocation records is kept until its end and then written as one line, because every line is paid for by
//! its bytes; metrics with a dimension besides `Stack`, which are about failures, need one line for each of its values.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

mod buffer;
mod registry;

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::env;
use buffer::Buffer;
pub use registry::Metric;

static BUFFER: Mutex<Buffer> = Mutex::new(Buffer::new());

/// Adds to a count.
pub fn add(metric: Metric, count: usize) {
    add_of(metric, &[], count);
}

/// Adds to a count with these values of its dimensions. They are texts of the program, so their number is bounded.
pub fn add_of(metric: Metric, values: &[&'static str], count: usize) {
    #[expect(clippy::cast_precision_loss, reason = "counts of one invocation are far below 2^52")]
    let count = count as f64;
    BUFFER.lock().unwrap_or_else(PoisonError::into_inner).add(metric, values, count);
}

/// Records one value of a distribution, such as a time.
pub fn observe(metric: Metric, value: f64) {
    BUFFER.lock().unwrap_or_else(PoisonError::into_inner).observe(metric, value);
}

/// Writes what was recorded since the last call. To be called at the end of each invocation; the loops of this crate
/// do.
pub fn flush() {
    let recorded = std::mem::take(&mut *BUFFER.lock().unwrap_or_else(PoisonError::into_inner));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let stack = env::optional("STACK_NAME").unwrap_or_else(|| "semantik".to_owned());
    for line in recorded.into_lines(&stack, u64::try_from(now).unwrap_or(u64::MAX)) {
        if let Err(error) = writeln!(std::io::stdout().lock(), "{line}") {
            tracing::warn!(%error, "metrics could not be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCS: &str = include_str!("../../../docs/operations.md");

    #[test]
    fn the_documentation_lists_every_metric_with_its_unit_and_dimensions() {
        let rows: Vec<String> = Metric::ALL
            .iter()
            .map(|metric| {
                let dimensions = metric.dimensions().iter().map(|name| format!("`{name}`"));
                let dimensions = dimensions.collect::<Vec<_>>().join(", ");
                let dimensions = if dimensions.is_empty() { "none" } else { &dimensions };
                format!("| `{}` | {} | {dimensions} |", metric.name(), metric.unit())
            })
            .collect();
        let table =
            DOCS.lines().skip_while(|line| !line.starts_with("| metric | unit | dimensions |")).skip(2);
        let documented: Vec<&str> = table.take_while(|line| line.starts_with('|')).collect();
        assert_eq!(documented.len(), rows.len(), "one row for each metric: {documented:#?}");
        for (row, found) in rows.iter().zip(&documented) {
            assert!(found.starts_with(row.as_str()), "docs/operations.md has\n{found}\ninstead of\n{row} …");
        }
    }
}
