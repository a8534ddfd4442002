//! Progress on standard error: a bar on a terminal, else a line every few seconds.

use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::error_line;

/// Between two lines where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(5);

/// The progress of a long step.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// When the last line was printed; `None` on a terminal.
    printed: Option<Mutex<Instant>>,
    unit: &'static str,
}

impl Progress {
    /// Of a number of bytes, with rate and remaining time.
    pub fn bytes(total: u64) -> Self {
        let template = "{wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} ETA {eta}  {msg}";
        Self::new(total, template, "bytes")
    }

    /// Of documents, whose number is known later.
    pub fn documents() -> Self {
        Self::new(0, "{wide_bar} {pos}/{len} documents {per_sec} ETA {eta}  {msg}", "documents")
    }

    fn new(total: u64, template: &str, unit: &'static str) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, printed: (!is_terminal).then(|| Mutex::new(Instant::now())), unit }
    }

    /// Sets the number of all units.
    pub fn set_total(&self, total: u64) {
        self.bar.set_length(total);
    }

    /// Adds units that are done.
    pub fn add(&self, done: u64, message: &str) {
        self.bar.inc(done);
        self.show(message);
    }

    /// Sets the units that are done.
    pub fn set(&self, done: u64, message: &str) {
        self.bar.set_position(done);
        self.show(message);
    }

    fn show(&self, message: &str) {
        let Some(printed) = &self.printed else {
            return self.bar.set_message(message.to_owned());
        };
        let Ok(mut printed) = printed.lock() else { return };
        if printed.elapsed() >= INTERVAL {
            *printed = Instant::now();
            let (done, total) = (self.bar.position(), self.bar.length().unwrap_or_default());
            // Progress is not worth an error.
            let _ = error_line(&format!("{done} of {total} {}, {message}", self.unit));
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
