//! XML: character references are decoded, and elements that follow each other directly begin lines.

use domain::Layout;

use crate::text::{Rewrite, TextReader};
use crate::{EmptyReason, Format};

const NAME: &str = "XML";

const INDENT: usize = 3;
const MAX_INDENT: usize = 24;

/// The longest named reference has 33 bytes.
const MAX_REFERENCE_BYTES: usize = 34;

pub(super) static FORMAT: Format = Format {
    name: NAME,
    layout: Layout::Code,
    has_headings: false,
    signatures: &[],
    extensions: &[
        "xml", "xsd", "xsl", "xslt", "svg", "rss", "atom", "rdf", "opml", "kml", "gpx", "dita", "docbook",
    ],
    file_names: &[],
    media_types: &[
        "application/xml",
        "text/xml",
        "image/svg+xml",
        "application/rss+xml",
        "application/atom+xml",
        "application/rdf+xml",
    ],
    is_start_of: |head| head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).starts_with(b"<?xml"),
    empty_reason: EmptyReason::OnlyWhiteSpace,
    open: |content_type| Box::new(TextReader::rewritten(NAME, content_type, Xml::default())),
};

/// Rewrites XML, whether it is well-formed or not.
#[derive(Debug, Default)]
struct Xml {
    state: State,
    /// `&...` in text or attributes, `<...` before the kind of tag is known, or the end of what a comment or CDATA
    /// section has.
    held: String,
    /// Open elements.
    depth: usize,
    /// The last character ended a tag.
    is_after_tag: bool,
    /// The last character of a tag.
    last: char,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Text,
    /// After a `<`, until it is known what it begins.
    Opening,
    Tag {
        quote: Option<char>,
        is_end: bool,
        counts: bool,
    },
    /// A comment or a CDATA section, which this ends.
    Section(&'static str),
}

impl Xml {
    fn step(&mut self, character: char, out: &mut String) {
        if self.held.starts_with('&') {
            if self.continue_reference(character, out) {
                return;
            }
        } else if character == '&' && matches!(self.state, State::Text | State::Tag { .. }) {
            self.held.push('&');
            self.is_after_tag = false;
            return;
        }
        match self.state {
            State::Text if character == '<' => {
                self.state = State::Opening;
                self.held.push('<');
            }
            State::Text => {
                self.is_after_tag = false;
                out.push(character);
            }
            State::Opening => self.open(character, out),
            State::Tag { quote, is_end, counts } => {
                out.push(character);
                match (quote, character) {
                    (None, '>') => self.end_tag(is_end, counts),
                    (None, '"' | '\'') => {
                        self.state = State::Tag { quote: Some(character), is_end, counts };
                    }
                    (Some(quote), _) if quote == character => {
                        self.state = State::Tag { quote: None, is_end, counts };
                    }
                    _ => {}
                }
                self.last = character;
            }
            State::Section(end) => {
                out.push(character);
                self.held.push(character);
                while !end.starts_with(self.held.as_str()) {
                    self.held.remove(0);
                }
                if self.held == end {
                    self.held.clear();
                    self.state = State::Text;
                    self.is_after_tag = true;
                }
            }
        }
    }

    /// Decides what a `<` begins.
    fn open(&mut self, character: char, out: &mut String) {
        self.held.push(character);
        let section = [("<!--", "-->"), ("<![CDATA[", "]]>")]
            .into_iter()
            .find(|(start, _)| start.starts_with(self.held.as_str()));
        match section {
            Some((start, end)) if start == self.held => self.state = State::Section(end),
            Some(_) if self.held != "<" => return,
            _ => {
                let second = self.held.chars().nth(1).unwrap_or_default();
                let is_start = second.is_alphabetic() || second == '_';
                if is_start && self.is_after_tag {
                    out.push('\n');
                    let indent = (self.depth.saturating_sub(1) * INDENT).min(MAX_INDENT);
                    out.extend(std::iter::repeat_n(' ', indent));
                }
                if is_start || matches!(second, '/' | '!' | '?') {
                    let counts = is_start || second == '/';
                    self.state = State::Tag { quote: None, is_end: second == '/', counts };
                } else {
                    self.state = State::Text;
                }
            }
        }
        self.is_after_tag = false;
        self.last = character;
        out.push_str(&self.held);
        self.held.clear();
        if character == '>'
            && let State::Tag { is_end, counts, .. } = self.state
        {
            self.end_tag(is_end, counts);
        }
    }

    fn end_tag(&mut self, is_end: bool, counts: bool) {
        if is_end {
            self.depth = self.depth.saturating_sub(1);
        } else if counts && self.last != '/' {
            self.depth += 1;
        }
        self.state = State::Text;
        self.is_after_tag = true;
    }

    /// Reads a character after `&`. Returns false if it does not belong to a reference.
    fn continue_reference(&mut self, character: char, out: &mut String) -> bool {
        let continues = character.is_ascii_alphanumeric() || (character == '#' && self.held.len() == 1);
        if continues && self.held.len() < MAX_REFERENCE_BYTES {
            self.held.push(character);
            return true;
        }
        if character == ';' {
            self.held.push(';');
            out.push_str(&htmlize::unescape(self.held.as_str()));
        } else {
            out.push_str(&self.held);
        }
        self.held.clear();
        character == ';'
    }
}

impl Rewrite for Xml {
    fn push(&mut self, text: &str, out: &mut String) {
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if self.state == State::Text && self.held.is_empty() {
                let end = memchr::memchr2(b'<', b'&', rest.as_bytes()).unwrap_or(rest.len());
                if end > 0 {
                    self.is_after_tag = false;
                    out.push_str(&rest[..end]);
                    rest = &rest[end..];
                    continue;
                }
            }
            self.step(character, out);
            rest = &rest[character.len_utf8()..];
        }
    }

    fn finish(&mut self, out: &mut String) -> u64 {
        if !matches!(self.state, State::Section(_)) {
            out.push_str(&self.held);
        }
        0
    }

    #[cfg(test)]
    fn buffered_bytes(&self) -> usize {
        self.held.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::testing::extract;

    #[test]
    fn character_references_are_decoded_in_text_and_attributes() {
        let xml = "<a t='Fl&#252;sse'>Stra&szlig;e &amp; &lt;b&gt; &#x6771; R&D a&b; &unknown; 1 < 2 &\n</a>";
        let expected = "<a t='Flüsse'>Straße & <b> 東 R&D a&b; &unknown; 1 < 2 &\n</a>";
        assert_eq!(extract("a.xml", xml), expected);
        let literal = "<a><![CDATA[1 &lt; <b> 2]] >]]> <!-- <c>&amp; -- ></c> --></a>";
        assert_eq!(extract("a.xml", literal), literal);
    }

    #[test]
    fn elements_that_follow_each_other_directly_begin_lines() {
        assert_eq!(
            extract(
                "a.xml",
                "<?xml version='1.0'?><list><item a='x>y'><b>1</b><c/></item><item>2</item></list>"
            ),
            "<?xml version='1.0'?>\n<list>\n<item a='x>y'>\n   <b>1</b>\n   <c/></item>\n<item>2</item></list>"
        );
        let pretty = "<list>\n  <item>\n    <b>1</b>\n  </item>\n</list>\n";
        assert_eq!(extract("a.xml", pretty), pretty);
    }

    #[test]
    fn xml_is_detected_by_its_declaration() {
        let format = Format::detect("feed", None, b"<?xml version=\"1.0\"?><rss>").unwrap();
        assert_eq!(format.name(), NAME);
        let page = b"<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC 'x'><html>";
        assert_eq!(Format::detect("page", None, page).unwrap().name(), "HTML");
    }
}
