//! JSON and JSON Lines: escapes are decoded, and the objects of a list begin lines.

use domain::Layout;

use crate::text::{EscapeKind, Escapes, Rewrite, TextReader};
use crate::{EmptyReason, Format};

const NAME: &str = "JSON";
const LINES_NAME: &str = "JSON Lines";

/// Line breaks within strings are indented, so that a record is rather split between its fields.
const LINE_BREAK: &str = "\n        ";

const INDENT: usize = 3;
const MAX_INDENT: usize = 24;

pub(super) static FORMAT: Format = Format {
    name: NAME,
    layout: Layout::Code,
    has_headings: false,
    signatures: &[],
    extensions: &["json", "geojson", "jsonld", "har"],
    file_names: &[],
    media_types: &["application/json", "application/ld+json", "application/geo+json"],
    is_start_of: |_| false,
    empty_reason: EmptyReason::OnlyWhiteSpace,
    open: |content_type| {
        let rewrite = Json::new(EscapeKind::Json { line_break: LINE_BREAK }, true);
        Box::new(TextReader::rewritten(NAME, content_type, rewrite))
    },
};

pub(super) static LINES_FORMAT: Format = Format {
    name: LINES_NAME,
    layout: Layout::Records,
    has_headings: false,
    signatures: &[],
    extensions: &["jsonl", "ndjson"],
    file_names: &[],
    media_types: &["application/jsonl", "application/x-ndjson", "application/x-jsonlines"],
    is_start_of: |_| false,
    empty_reason: EmptyReason::OnlyWhiteSpace,
    open: |content_type| {
        let rewrite = Json::new(EscapeKind::Json { line_break: " " }, false);
        Box::new(TextReader::rewritten_within_lines(LINES_NAME, content_type, rewrite))
    },
};

/// Rewrites JSON, whether it is valid or not.
#[derive(Debug)]
struct Json {
    escapes: Escapes,
    breaks_lines: bool,
    is_in_string: bool,
    is_after_backslash: bool,
    /// Open objects and lists.
    depth: usize,
    /// The last character was `,` or `[`, with no line break since.
    is_after_separator: bool,
}

impl Json {
    fn new(escapes: EscapeKind, breaks_lines: bool) -> Self {
        Self {
            escapes: Escapes::new(escapes),
            breaks_lines,
            is_in_string: false,
            is_after_backslash: false,
            depth: 0,
            is_after_separator: false,
        }
    }

    /// Reads a byte outside of strings. Returns whether a line begins before it.
    fn follow(&mut self, byte: u8) -> bool {
        let begins_line = byte == b'{' && self.is_after_separator && self.breaks_lines;
        match byte {
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.is_after_separator = match byte {
            b',' | b'[' => true,
            b' ' | b'\t' => self.is_after_separator,
            _ => false,
        };
        begins_line
    }

    /// How much of the text is in the string that is open, with its closing quote.
    fn string_length(&mut self, text: &[u8]) -> usize {
        for (position, byte) in text.iter().enumerate() {
            match byte {
                _ if self.is_after_backslash => self.is_after_backslash = false,
                b'\\' => self.is_after_backslash = true,
                b'"' => {
                    self.is_in_string = false;
                    return position + 1;
                }
                _ => {}
            }
        }
        text.len()
    }
}

impl Rewrite for Json {
    fn push(&mut self, text: &str, out: &mut String) {
        let mut rest = text;
        while !rest.is_empty() {
            if self.is_in_string {
                let (string, later) = rest.split_at(self.string_length(rest.as_bytes()));
                self.escapes.decode(string, out);
                rest = later;
                continue;
            }
            let mut copied = 0;
            let mut end = rest.len();
            for (position, byte) in rest.bytes().enumerate() {
                if byte == b'"' {
                    self.is_in_string = true;
                    self.is_after_separator = false;
                    end = position + 1;
                    break;
                }
                if self.follow(byte) {
                    self.escapes.decode(&rest[copied..position], out);
                    copied = position;
                    out.push('\n');
                    let indent = (self.depth.saturating_sub(2) * INDENT).min(MAX_INDENT);
                    out.extend(std::iter::repeat_n(' ', indent));
                }
            }
            self.escapes.decode(&rest[copied..end], out);
            rest = &rest[end..];
        }
    }

    fn finish(&mut self, out: &mut String) -> u64 {
        self.escapes.finish(out);
        0
    }

    #[cfg(test)]
    fn buffered_bytes(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use crate::formats::testing::extract;

    #[test]
    fn escapes_are_decoded_and_a_string_goes_on_in_indented_lines() {
        let json = r#"{"a": "Stra\u00dfe \u6771\u4eac", "b": "one\n\ntwo \"three\"", "c\/": "C:\\new"}"#;
        let expected = "{\"a\": \"Straße 東京\", \"b\": \"one\n        two \"three\"\", \"c/\": \"C:\\new\"}";
        assert_eq!(extract("a.json", json), expected);
    }

    #[test]
    fn objects_of_a_list_begin_lines() {
        assert_eq!(extract("a.json", r#"[{"a":1},{"a":[2]}]"#), "[\n{\"a\":1},\n{\"a\":[2]}]");
        let nested = r#"{"items": [{"a":[{"b":1}]}, {"a":"},{"}]}"#;
        let expected = "{\"items\": [\n   {\"a\":[\n         {\"b\":1}]}, \n   {\"a\":\"},{\"}]}";
        assert_eq!(extract("a.json", nested), expected);
        let pretty = "[\n  {\n    \"a\": 1\n  },\n  {\n    \"a\": 2\n  }\n]\n";
        assert_eq!(extract("a.json", pretty), pretty);
    }

    #[test]
    fn record_of_json_lines_stays_in_its_line() {
        let lines = "{\"a\": \"one\\ntwo\", \"b\": [{\"c\": \"\\u00e9\"}]}\n{\"a\": 2}\n";
        assert_eq!(extract("a.jsonl", lines), "{\"a\": \"one two\", \"b\": [{\"c\": \"é\"}]}\n{\"a\": 2}\n");
    }

    #[test]
    fn base64_in_a_string_is_left_out() {
        let data = "QmFzZTY0".repeat(60);
        assert_eq!(extract("a.json", &format!("{{\"a\": \"{data}==\"}}")), "{\"a\": \"\"}");
    }
}
