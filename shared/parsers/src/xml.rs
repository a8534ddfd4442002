//! XML as a stream of elements and text, with bounded memory.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Error, Reader, XmlVersion};

use crate::ParseError;
use crate::limits::{MAX_XML_DEPTH, MAX_XML_EVENT_BYTES};

/// A reader of one XML document. Entities beyond the five predefined ones are not expanded, so they cannot be bombs.
pub(crate) struct Xml<R> {
    reader: Reader<Allowance<R>>,
    buffer: Vec<u8>,
    depth: usize,
    /// For messages.
    what: String,
}

/// A part of the document. Comments and declarations appear as empty text.
pub(crate) enum Node<'a> {
    /// An element starts. An empty element has an end, too.
    Start(Element<'a>),
    /// The element with this local name ends.
    End(String),
    /// Text with its entities resolved.
    Text(Cow<'a, str>),
}

/// The start tag of an element.
pub(crate) struct Element<'a>(BytesStart<'a>);

impl Element<'_> {
    /// The name without its prefix.
    pub(crate) fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// Returns the attribute with this local name.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        self.find(|attribute| attribute.local_name().into_inner() == name)
    }

    /// Returns the attribute with this prefix and name.
    pub(crate) fn qualified(&self, name: &str) -> Option<String> {
        self.find(|attribute| attribute.as_ref() == name)
    }

    /// Returns whether the attribute is there and not off.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.attribute(name).is_some_and(|value| !matches!(value.as_str(), "0" | "false" | "off"))
    }

    fn find(&self, matches: impl Fn(quick_xml::name::QName<'_>) -> bool) -> Option<String> {
        let found = self.0.attributes().with_checks(false).flatten().find(|found| matches(found.key))?;
        let value = found.normalized_value(XmlVersion::Implicit1_0);
        Some(value.map_or_else(|_| found.value.clone().into_owned(), Cow::into_owned))
    }
}

impl<R: BufRead> Xml<R> {
    /// Starts a document. `what` names it in messages.
    pub(crate) fn new(reader: R, what: &str) -> Self {
        let mut reader = Reader::from_reader(Allowance { reader, left: 0 });
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.allow_dangling_amp = true;
        Self { reader, buffer: Vec::new(), depth: 0, what: what.to_owned() }
    }

    /// Returns the next part, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Node<'_>>, ParseError> {
        self.buffer.clear();
        self.reader.get_mut().left = MAX_XML_EVENT_BYTES;
        let event =
            self.reader.read_event_into(&mut self.buffer).map_err(|error| failure(&self.what, error))?;
        Ok(Some(match event {
            Event::Start(start) | Event::Empty(start) => {
                self.depth += 1;
                if self.depth > MAX_XML_DEPTH {
                    let limit = format!("elements are nested more than {MAX_XML_DEPTH} deep");
                    return Err(ParseError::damaged(&self.what, limit));
                }
                Node::Start(Element(start))
            }
            Event::End(end) => {
                self.depth = self.depth.saturating_sub(1);
                Node::End(end.local_name().into_inner().to_owned())
            }
            Event::Text(text) => Node::Text(text.xml10_content()),
            Event::CData(text) => Node::Text(text.xml10_content()),
            Event::GeneralRef(reference) => Node::Text(resolve(&reference)),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => Node::Text("".into()),
            Event::Eof => return Ok(None),
        }))
    }

    /// Returns the text up to the end of the element that just started.
    pub(crate) fn element_text(&mut self) -> Result<String, ParseError> {
        let end = self.depth.saturating_sub(1);
        let mut text = String::new();
        while self.depth > end {
            match self.next()? {
                Some(Node::Text(more)) if text.len() + more.len() <= MAX_XML_EVENT_BYTES => text += &more,
                Some(_) => {}
                None => break,
            }
        }
        Ok(text)
    }

    /// Passes over the element that just started.
    pub(crate) fn skip_element(&mut self) -> Result<(), ParseError> {
        let end = self.depth.saturating_sub(1);
        while self.depth > end && self.next()?.is_some() {}
        Ok(())
    }
}

fn failure(what: &str, error: Error) -> ParseError {
    match error {
        Error::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            ParseError::too_large(error.to_string())
        }
        other => ParseError::damaged(what, other),
    }
}

fn resolve(reference: &BytesRef<'_>) -> Cow<'static, str> {
    match reference.as_ref() {
        "lt" => "<".into(),
        "gt" => ">".into(),
        "amp" => "&".into(),
        "quot" => "\"".into(),
        "apos" => "'".into(),
        "nbsp" => "\u{A0}".into(),
        _ => match reference.resolve_char_ref() {
            Ok(Some(character)) => character.to_string().into(),
            // An entity of the document's own, or a character that does not exist.
            Ok(None) | Err(_) => " ".into(),
        },
    }
}

/// Limits the bytes that one event may read.
struct Allowance<R> {
    reader: R,
    left: usize,
}

impl<R: BufRead> BufRead for Allowance<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let left = self.left;
        let buffer = self.reader.fill_buf()?;
        if left == 0 && !buffer.is_empty() {
            let reason = format!("a tag or text of XML is longer than {} MiB", MAX_XML_EVENT_BYTES >> 20);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
        }
        Ok(&buffer[..buffer.len().min(left)])
    }

    fn consume(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
        self.reader.consume(bytes);
    }
}

impl<R: BufRead> Read for Allowance<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(output)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(xml: &str) -> Result<String, ParseError> {
        let mut xml = Xml::new(xml.as_bytes(), "the document");
        let mut text = String::new();
        while let Some(node) = xml.next()? {
            match node {
                Node::Start(element) => text += &format!("<{}>", element.name()),
                Node::End(name) => text += &format!("</{name}>"),
                Node::Text(more) => text += &more,
            }
        }
        Ok(text)
    }

    #[test]
    fn entities_are_resolved_and_own_ones_are_not_expanded() {
        let xml =
            "<!DOCTYPE x [<!ENTITY b 'bomb'>]><x:a>1 &lt; 2 &amp;&#x20;&#65;<b/>&b;<![CDATA[<c>]]></x:a>";
        assert_eq!(text(xml).unwrap(), "<a>1 < 2 & A<b></b> <c></a>");
    }

    #[test]
    fn attributes_are_found_with_and_without_prefix() {
        let mut xml =
            Xml::new(r#"<a w:val="1 &amp; 2" r:id="x" id="y" off="0"/>"#.as_bytes(), "the document");
        let Some(Node::Start(element)) = xml.next().unwrap() else { panic!("no element") };
        assert_eq!(element.attribute("val").as_deref(), Some("1 & 2"));
        assert_eq!(element.qualified("id").as_deref(), Some("y"));
        assert_eq!(element.attribute("other"), None);
        assert!(element.is_on("val") && !element.is_on("off") && !element.is_on("other"));
    }

    #[test]
    fn deep_or_long_xml_is_refused() {
        let deep = text(&"<a>".repeat(MAX_XML_DEPTH + 1)).unwrap_err();
        assert_eq!(deep.to_string(), "the document is damaged: elements are nested more than 1000 deep");
        let long = text(&format!("<a>{}", " ".repeat(MAX_XML_EVENT_BYTES + 1))).unwrap_err();
        assert_eq!(long.to_string(), "a tag or text of XML is longer than 4 MiB");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(
            xml in "(<a>|</a>|<b c='d'/>|<|&amp;|&|;|x|<!--|-->|<\\?|\\?>|<!\\[CDATA\\[|\\]\\]>|ä){0,30}",
        ) {
            // Only that it ends, without a panic.
            let _read_or_refused = text(&xml);
        }
    }
}
