//! The headings of Markdown, which the chunker finds in the text itself.

use domain::ChunkPlace;

use crate::boundary::Boundary;
use crate::places::Places;
use crate::pre_token::PreToken;
use crate::scanner::Scanner;

/// A longer line is no heading.
const MAX_LINE_BYTES: u64 = 1024;

/// Follows the lines of a document.
#[derive(Debug, Default)]
pub(crate) struct Headings {
    /// The line that is being read, unless it is too long to be a heading.
    line: Option<Line>,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    start: u64,
    end: u64,
    /// The depth of the heading that it is.
    depth: Option<u8>,
}

impl Headings {
    /// Reads the next pre-token.
    pub(crate) fn read(
        &mut self,
        pre_token: &PreToken,
        boundary: &Boundary,
        scanner: &Scanner,
        places: &mut Places,
    ) {
        let (start, end) = (pre_token.start, pre_token.end);
        if pre_token.gap.lines > 0 {
            if let (Some(depth), Some(line)) = (boundary.underline, &mut self.line) {
                line.depth = Some(depth);
            }
            self.end_line(scanner, places);
            self.line = boundary.underline.is_none().then_some(Line { start, end, depth: boundary.heading });
        } else if let Some(line) = &mut self.line {
            line.end = end;
        }
        self.line = self.line.filter(|line| line.end - line.start <= MAX_LINE_BYTES);
    }

    /// Ends the line, which is at the end of the document if nothing follows.
    pub(crate) fn end_line(&mut self, scanner: &Scanner, places: &mut Places) {
        let Some(Line { start, end, depth: Some(depth) }) = self.line.take() else {
            return;
        };
        let (line, anchor) = split_anchor(scanner.slice(start, end));
        let heading = plain(line);
        if depth == 1 {
            places.set_title(start, &heading);
        }
        places.begin_section(start, depth, &heading, anchor);
    }

    /// Start of the text that is still needed.
    pub(crate) fn first_needed(&self) -> Option<u64> {
        self.line.map(|line| line.start)
    }
}

/// Splits the attributes off a heading, as in `## Tides {#tides .wide}`, and returns the id in them.
fn split_anchor(line: &str) -> (&str, Option<&str>) {
    let found = line.trim_end().strip_suffix('}').and_then(|line| line.rsplit_once('{'));
    let Some((heading, attributes)) = found else {
        return (line, None);
    };
    let id = attributes.split_whitespace().find_map(|attribute| attribute.strip_prefix('#'));
    match id.filter(|id| !id.is_empty() && id.len() <= ChunkPlace::MAX_ANCHOR_BYTES) {
        Some(id) => (heading.trim_end(), Some(id)),
        None => (line, None),
    }
}

/// A heading without the marks around and in it.
fn plain(line: &str) -> String {
    let text = line.trim_start_matches('#').trim();
    let text = text.trim_end_matches('#');
    // A mark that ends a name, as in "C#".
    let text =
        if text.is_empty() || text.ends_with([' ', '\t']) { text } else { line.trim_start_matches('#') };
    text.trim().replace(['*', '`'], "")
}

#[cfg(test)]
mod tests {
    use super::{plain, split_anchor};

    #[test]
    fn attributes_of_a_heading_name_its_anchor() {
        for (line, expected) in [
            ("## Tides {#tides}", ("## Tides", Some("tides"))),
            ("## Tides ## {.wide #the-tides} ", ("## Tides ##", Some("the-tides"))),
            ("## A set {a, b}", ("## A set {a, b}", None)),
            ("## Nothing {#}", ("## Nothing {#}", None)),
            ("## Open {#a", ("## Open {#a", None)),
        ] {
            assert_eq!(split_anchor(line), expected);
        }
    }

    #[test]
    fn marks_are_no_part_of_a_heading() {
        for (line, expected) in [
            ("## Tides", "Tides"),
            ("# The `moon` **now** ##", "The moon now"),
            ("### C#", "C#"),
            ("Underlined", "Underlined"),
            ("#", ""),
        ] {
            assert_eq!(plain(line), expected);
        }
    }
}
