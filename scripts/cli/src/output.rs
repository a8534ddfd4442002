//! Results on standard output, for people or as JSON; remarks on standard error.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};

use console::Style;
use serde::Serialize;

use crate::environment;

/// Where and how results are printed.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// Whether results are JSON.
    pub json: bool,
    has_color: bool,
}

impl Output {
    /// Colours are for terminals, unless `NO_COLOR` is set (<https://no-color.org>).
    pub fn new(json: bool) -> Self {
        let is_plain = environment::is_set("NO_COLOR") || environment::get("TERM").as_deref() == Some("dumb");
        Self { json, has_color: io::stdout().is_terminal() && !is_plain }
    }

    /// Prints a line for people. Texts from documents and servers go through [`sanitize`] before.
    pub fn line(self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(io::stdout(), "{}", text.as_ref())
    }

    /// Prints a JSON value.
    pub fn value(self, value: &impl Serialize) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        serde_json::to_writer_pretty(&mut stdout, value)?;
        writeln!(stdout)
    }

    /// Prints a table with the header only where people read it.
    pub fn table(self, header: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        let header: Vec<String> = header.iter().map(|&title| title.to_owned()).collect();
        let widths: Vec<usize> = (0..header.len())
            .map(|column| {
                let cells = rows.iter().chain([&header]).filter_map(|row| row.get(column));
                cells.map(|cell| console::measure_text_width(cell)).max().unwrap_or(0)
            })
            .collect();
        for row in [&header].into_iter().chain(rows) {
            let cells = row.iter().zip(&widths);
            let padded: Vec<String> = cells
                .map(|(cell, width)| {
                    format!("{cell}{}", " ".repeat(width.saturating_sub(console::measure_text_width(cell))))
                })
                .collect();
            self.line(padded.join("  ").trim_end())?;
        }
        Ok(())
    }

    /// Makes a text bold where there are colours.
    pub fn bold(self, text: &str) -> String {
        self.style(Style::new().bold(), text)
    }

    /// Makes a text faint where there are colours.
    pub fn faint(self, text: &str) -> String {
        self.style(Style::new().dim(), text)
    }

    /// Marks a term of the query where there are colours.
    pub fn mark(self, text: &str) -> String {
        self.style(Style::new().yellow().bold(), text)
    }

    fn style(self, style: Style, text: &str) -> String {
        style.force_styling(self.has_color).apply_to(text).to_string()
    }
}

/// Prints a remark to standard error.
pub fn remark(text: &str) -> io::Result<()> {
    error_line(&sanitize(text))
}

/// Prints a line to standard error.
pub fn error_line(text: &str) -> io::Result<()> {
    writeln!(io::stderr(), "{text}")
}

/// Replaces control characters: a document or a file name could otherwise drive the terminal by escape sequences.
pub fn sanitize(text: &str) -> Cow<'_, str> {
    let is_harmful = |character: char| character.is_control() && character != '\n';
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(is_harmful, "\u{fffd}"))
}

/// Formats a number of bytes for people.
pub fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

/// Formats a number and its noun.
pub fn count(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_of_documents_do_not_reach_the_terminal() {
        assert_eq!(sanitize("tides\nrise"), "tides\nrise");
        assert_eq!(
            sanitize("\u{1b}]0;title\u{7}a\rb\u{9b}1m"),
            "\u{fffd}]0;title\u{fffd}a\u{fffd}b\u{fffd}1m"
        );
    }

    #[test]
    fn numbers_have_nouns() {
        assert_eq!((count(1, "file"), count(2, "file")), ("1 file".to_owned(), "2 files".to_owned()));
    }
}
