//! The streaming extractor.

use crate::encoding::TextDecoder;
use crate::html::HtmlText;
use crate::printable::PrintableCheck;
use crate::{ExtractionError, Format};

/// How much is decoded at a time, so that a large push needs no large buffer.
const PIECE_BYTES: usize = 64 * 1024;

/// Turns one document's bytes into text.
///
/// The text of the first 64 KiB is held back until it is known to be text, so a binary file is
/// refused before anything of it comes out.
#[derive(Debug)]
pub struct Extractor {
    decoder: TextDecoder,
    check: PrintableCheck,
    /// Decoded text that was not checked yet.
    held: String,
    stage: Stage,
    read_bytes: u64,
    text_bytes: u64,
    has_text: bool,
}

#[derive(Debug)]
enum Stage {
    Text,
    Html(Box<HtmlText>),
}

/// What is known at the end of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted {
    /// Whether there is anything to index.
    pub content: Content,
    /// The encoding that the bytes were read in, by its WHATWG name.
    pub encoding: &'static str,
    /// Bytes that went in.
    pub read_bytes: u64,
    /// Bytes of UTF-8 that came out.
    pub text_bytes: u64,
    /// Bytes that the encoding does not know, each now U+FFFD.
    pub replaced: u64,
    /// The title of an HTML page.
    pub title: Option<String>,
}

/// Whether a document has text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// It has.
    Text,
    /// It has none: skip it, giving the reason.
    Empty(EmptyReason),
}

/// Why a document has no text. Displays as a sentence for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptyReason {
    /// The file has 0 bytes.
    NoBytes,
    /// White space and invisible characters only.
    OnlyWhiteSpace,
    /// Markup without visible text.
    OnlyMarkup,
}

impl std::fmt::Display for EmptyReason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::NoBytes => "the file is empty: 0 bytes",
            Self::OnlyWhiteSpace => "the file holds only white space",
            Self::OnlyMarkup => "the HTML has no visible text",
        })
    }
}

impl Extractor {
    /// Starts a document. The content type is only asked for its charset.
    ///
    /// # Errors
    /// [`ExtractionError::Unsupported`] for [`Format::Unsupported`].
    pub fn new(format: &Format, content_type: Option<&str>) -> Result<Self, ExtractionError> {
        let stage = match format {
            Format::Unsupported { reason } => {
                return Err(ExtractionError::Unsupported { reason: reason.clone() });
            }
            Format::Html => Stage::Html(Box::new(HtmlText::new())),
            Format::PlainText | Format::Markdown | Format::SourceCode { .. } => Stage::Text,
        };
        Ok(Self {
            decoder: TextDecoder::new(content_type, *format == Format::Html),
            check: PrintableCheck::new(format.name()),
            held: String::new(),
            stage,
            read_bytes: 0,
            text_bytes: 0,
            has_text: false,
        })
    }

    /// Reads the next bytes and appends the text that is known by now to `out`.
    ///
    /// # Errors
    /// The document is binary. Push no more after that.
    pub fn push(&mut self, bytes: &[u8], out: &mut String) -> Result<(), ExtractionError> {
        self.read_bytes += bytes.len() as u64;
        for piece in bytes.chunks(PIECE_BYTES) {
            let decoded_before = self.held.len();
            self.decoder.push(piece, &mut self.held);
            self.check.read(&self.held[decoded_before..])?;
            if self.check.has_checked() {
                self.release(out);
            }
        }
        Ok(())
    }

    /// Appends the rest of the text to `out` and says what the document was.
    ///
    /// # Errors
    /// The document is binary.
    pub fn finish(mut self, out: &mut String) -> Result<Extracted, ExtractionError> {
        let decoded_before = self.held.len();
        let encoding = self.decoder.finish(&mut self.held);
        self.check.read(&self.held[decoded_before..])?;
        self.check.check()?;
        self.release(out);
        let mut title = None;
        let is_html = matches!(self.stage, Stage::Html(_));
        if let Stage::Html(html) = self.stage {
            let start = out.len();
            title = html.finish(out);
            self.text_bytes += (out.len() - start) as u64;
            self.has_text |= is_visible(&out[start..]);
        }
        let content = match (self.read_bytes, self.has_text, is_html) {
            (0, _, _) => Content::Empty(EmptyReason::NoBytes),
            (_, true, _) => Content::Text,
            (_, false, true) => Content::Empty(EmptyReason::OnlyMarkup),
            (_, false, false) => Content::Empty(EmptyReason::OnlyWhiteSpace),
        };
        Ok(Extracted {
            content,
            encoding,
            read_bytes: self.read_bytes,
            text_bytes: self.text_bytes,
            replaced: self.check.replaced(),
            title,
        })
    }

    /// Hands on what was held.
    fn release(&mut self, out: &mut String) {
        let start = out.len();
        match &mut self.stage {
            Stage::Text => push_plain(&self.held, out),
            Stage::Html(html) => html.push(&self.held, out),
        }
        self.held.clear();
        self.text_bytes += (out.len() - start) as u64;
        self.has_text = self.has_text || is_visible(&out[start..]);
    }
}

/// Page and column feeds are line breaks; everything else stays as it is.
fn push_plain(text: &str, out: &mut String) {
    let mut copied = 0;
    for feed in memchr::memchr2_iter(0x0B, 0x0C, text.as_bytes()) {
        out.push_str(&text[copied..feed]);
        out.push('\n');
        copied = feed + 1;
    }
    out.push_str(&text[copied..]);
}

fn is_visible(text: &str) -> bool {
    text.chars().any(|character| {
        !character.is_whitespace()
            && !character.is_control()
            && !matches!(character, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{FFFD}')
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn extract(format: &Format, bytes: &[u8], piece: usize) -> Result<(String, Extracted), ExtractionError> {
        let mut extractor = Extractor::new(format, None)?;
        let mut text = String::new();
        for piece in bytes.chunks(piece.max(1)) {
            extractor.push(piece, &mut text)?;
        }
        let extracted = extractor.finish(&mut text)?;
        Ok((text, extracted))
    }

    fn content(format: &Format, bytes: &[u8]) -> Content {
        extract(format, bytes, usize::MAX).unwrap().1.content
    }

    #[test]
    fn text_comes_out_as_it_went_in_with_its_counts() {
        let (text, extracted) = extract(&Format::PlainText, "a\r\nb\u{C}größer".as_bytes(), 3).unwrap();
        assert_eq!(text, "a\r\nb\ngrößer");
        assert_eq!(
            extracted,
            Extracted {
                content: Content::Text,
                encoding: "UTF-8",
                read_bytes: 13,
                text_bytes: 13,
                replaced: 0,
                title: None
            }
        );
    }

    #[test]
    fn documents_without_text_say_why() {
        use EmptyReason::{NoBytes, OnlyMarkup, OnlyWhiteSpace};
        assert_eq!(content(&Format::PlainText, b""), Content::Empty(NoBytes));
        assert_eq!(content(&Format::Html, b""), Content::Empty(NoBytes));
        assert_eq!(
            content(&Format::Markdown, "\u{FEFF} \r\n\t\u{200B}".as_bytes()),
            Content::Empty(OnlyWhiteSpace)
        );
        assert_eq!(content(&Format::Html, b"<p> </p><script>x</script>"), Content::Empty(OnlyMarkup));
        assert_eq!(content(&Format::Html, b"<p>x"), Content::Text);
        assert_eq!(NoBytes.to_string(), "the file is empty: 0 bytes");
    }

    #[test]
    fn an_unsupported_format_is_refused_with_its_reason() {
        let format = Format::detect("a.pdf", None, b"%PDF-1.4");
        assert_eq!(
            Extractor::new(&format, None).unwrap_err().to_string(),
            "a PDF document cannot be read; supported are plain text, Markdown, HTML and source code"
        );
    }

    #[test]
    fn a_binary_file_is_refused_before_any_text_comes_out() {
        let mut bytes = b"looks like text at first ".repeat(100);
        bytes.extend_from_slice(&[1, 2, 0, 3]);
        let mut extractor = Extractor::new(&Format::PlainText, None).unwrap();
        let mut text = String::new();
        let error = extractor.push(&bytes, &mut text).unwrap_err();
        assert_eq!(text, "");
        assert_eq!(
            error.to_string(),
            "this is a binary file, not plain text: a NUL at character 2502; text may hold none \
             (UTF-16 is read when it starts with its byte order mark)"
        );
    }

    #[test]
    fn too_many_control_characters_are_refused() {
        let bytes: Vec<u8> = (0..200).map(|index| if index % 2 == 0 { b'a' } else { 3 }).collect();
        assert_eq!(
            extract(&Format::PlainText, &bytes, 50).unwrap_err().to_string(),
            "this is a binary file, not plain text: 100 of its first 200 characters cannot be printed; at most 30 % may be so"
        );
    }

    #[test]
    fn what_is_held_does_not_grow_with_the_document() {
        let paragraph = "A line of text that goes on for a while.\n".repeat(1000);
        let unclosed = format!("<p>{}<a href='", "word <li>item ".repeat(100));
        for (format, start, repeated) in [
            (Format::PlainText, "", paragraph.as_str()),
            (Format::Html, unclosed.as_str(), "data:x,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            (Format::Html, "<!--", "comment that never ends - -- "),
            (Format::Html, "", "<div><p><li>never closed "),
        ] {
            let mut extractor = Extractor::new(&format, None).unwrap();
            let mut text = String::new();
            extractor.push(start.as_bytes(), &mut text).unwrap();
            for _ in 0..2000 {
                extractor.push(repeated.as_bytes(), &mut text).unwrap();
                text.clear();
                assert!(extractor.held.capacity() < 1024 * 1024, "{format:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn neither_text_nor_refusal_depends_on_the_pieces(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..3000),
                "[ -~\n\r\tä€😀]{0,400}".prop_map(String::into_bytes),
            ],
            piece in 1usize..700,
        ) {
            for format in [Format::PlainText, Format::Html] {
                prop_assert_eq!(extract(&format, &bytes, piece), extract(&format, &bytes, usize::MAX));
            }
        }
    }
}
