//! Jupyter notebooks: the cells and their textual outputs. Images and other data are left out.

mod json_events;

use domain::Layout;

use self::json_events::{Event, JsonEvents};
use crate::text::{Rewrite, TextReader};
use crate::{EmptyReason, Format};

const NAME: &str = "Jupyter notebook";

const CODE: &str = "code";

/// Longer outputs of a cell are truncated.
const MAX_OUTPUT_BYTES: usize = 16 * 1024;

pub(super) static FORMAT: Format = Format {
    name: NAME,
    layout: Layout::Markdown,
    has_headings: true,
    signatures: &[],
    extensions: &["ipynb"],
    file_names: &[],
    media_types: &["application/x-ipynb+json"],
    is_start_of: |_| false,
    empty_reason: EmptyReason::NoCells,
    open: |content_type| Box::new(TextReader::rewritten(NAME, content_type, Notebook::default())),
};

/// Rewrites a notebook to Markdown: code cells become fences.
#[derive(Debug, Default)]
struct Notebook {
    events: JsonEvents,
    cells: Cells,
}

#[derive(Debug, Default)]
struct Cells {
    /// The start of the cell's type, `code` or another.
    kind: String,
    /// The outputs of the cell, which come before its source in the file.
    output: String,
    is_in_source: bool,
    /// The last character written to the source.
    ends_line: bool,
    has_written: bool,
    omitted: u64,
}

/// What a string of a notebook is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    CellType,
    Source,
    Output,
    /// Data of an output that is no text, or an attachment.
    Data,
    Other,
}

impl Part {
    /// Tells a string by the keys around it, the innermost last.
    fn of(keys: &[String]) -> Self {
        let Some(cell) = keys.iter().rposition(|key| key == "cells") else {
            return Self::Other;
        };
        let inner: Vec<&str> = keys[cell + 1..].iter().map(String::as_str).collect();
        match inner.as_slice() {
            ["cell_type"] => Self::CellType,
            // `input` is that of notebooks before version 4.
            ["source" | "input"] => Self::Source,
            ["outputs", "text" | "evalue"] | ["outputs", "data", "text/plain" | "text/markdown"] => {
                Self::Output
            }
            ["outputs", "data", ..] | ["attachments", ..] => Self::Data,
            _ => Self::Other,
        }
    }
}

impl Cells {
    fn read(&mut self, event: Event<'_>, keys: &[String], out: &mut String) {
        let part = Part::of(keys);
        match event {
            Event::Text(text) => match part {
                Part::CellType if self.kind.len() <= CODE.len() => self.kind.push_str(text),
                Part::Source => self.write_source(text, out),
                Part::Output => {
                    let room = MAX_OUTPUT_BYTES.saturating_sub(self.output.len());
                    let kept = text.floor_char_boundary(room);
                    self.output.push_str(&text[..kept]);
                    self.omitted += (text.len() - kept) as u64;
                }
                Part::Data => self.omitted += text.len() as u64,
                Part::CellType | Part::Other => {}
            },
            Event::ValueEnd => match part {
                Part::Source => self.end_source(out),
                Part::Output if !self.output.is_empty() && !self.output.ends_with('\n') => {
                    self.output.push('\n')
                }
                _ => {}
            },
            Event::ItemEnd if keys.last().is_some_and(|key| key == "cells") => self.end_cell(out),
            Event::ItemEnd => {}
        }
    }

    fn write_source(&mut self, text: &str, out: &mut String) {
        if !self.is_in_source {
            self.is_in_source = true;
            self.separate(out);
            if self.kind == CODE {
                out.push_str("```\n");
            }
        }
        out.push_str(text);
        self.ends_line = text.ends_with('\n');
    }

    fn end_source(&mut self, out: &mut String) {
        if std::mem::take(&mut self.is_in_source) {
            if !self.ends_line {
                out.push('\n');
            }
            if self.kind == CODE {
                out.push_str("```\n");
            }
        }
    }

    fn end_cell(&mut self, out: &mut String) {
        self.end_source(out);
        if !self.output.is_empty() {
            self.separate(out);
            out.push_str(&self.output);
            self.output.clear();
        }
        self.kind.clear();
    }

    fn separate(&mut self, out: &mut String) {
        if std::mem::replace(&mut self.has_written, true) {
            out.push('\n');
        }
    }
}

impl Rewrite for Notebook {
    fn push(&mut self, text: &str, out: &mut String) {
        let Self { events, cells } = self;
        events.push(text, &mut |event, keys| cells.read(event, keys, out));
    }

    fn finish(&mut self, out: &mut String) -> u64 {
        // A notebook that is cut off.
        self.cells.end_cell(out);
        self.cells.omitted
    }

    #[cfg(test)]
    fn buffered_bytes(&self) -> usize {
        self.cells.output.capacity() + self.events.buffered_bytes()
    }
}

#[cfg(test)]
mod tests {
    use crate::formats::testing::extract;

    #[test]
    fn cells_and_textual_outputs_are_read() {
        let image = "iVBORw0KGgo".repeat(100);
        let notebook = format!(
            r##"{{"metadata": {{"title": "no"}}, "cells": [
                {{"cell_type": "markdown", "id": "no", "source": ["# Tides\n", "The \"moon\" \u00e9."]}},
                {{"cell_type": "code", "execution_count": 1, "metadata": {{"cells": 1}}, "outputs": [
                    {{"output_type": "stream", "name": "stdout", "text": ["low\n", "high\n"]}},
                    {{"output_type": "display_data", "data": {{"image/png": "{image}", "text/plain": "<Figure>",
                      "text/html": ["<b>no</b>"]}}}}], "source": "# not a heading\nplot(1)"}},
                {{"cell_type": "raw", "source": []}}
            ], "nbformat": 4}}"##
        );
        let expected =
            "# Tides\nThe \"moon\" é.\n\n```\n# not a heading\nplot(1)\n```\n\nlow\nhigh\n<Figure>\n";
        assert_eq!(extract("a.ipynb", &notebook), expected);
    }

    #[test]
    fn damaged_notebook_is_read_as_far_as_possible() {
        for notebook in
            ["", "[", "{\"cells\": {}}", "{\"cells\": [1, [2], null, {\"source\": 3}]}", "}}]]", "\"\\u"]
        {
            assert_eq!(extract("a.ipynb", notebook), "", "{notebook}");
        }
        let cut = r#"{"cells": [{"cell_type": "code", "source": ["one\n", "tw"#;
        assert_eq!(extract("a.ipynb", cut), "```\none\ntw\n```\n");
    }

    #[test]
    fn long_output_is_truncated() {
        let long = "x ".repeat(20_000);
        let notebook = format!(r#"{{"cells": [{{"outputs": [{{"text": "{long}"}}], "source": "end"}}]}}"#);
        let text = extract("a.ipynb", &notebook);
        assert!(text.starts_with("end\n") && text.len() < 17_000);
    }
}
