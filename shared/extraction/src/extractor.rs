//! The streaming extractor.

use crate::reader::{BlockReader, ReaderSummary};
use crate::{Blocks, Content, EmptyReason, ExtractionError, Format, Warning};

/// Reads one document of a known format.
#[derive(Debug)]
pub struct Extractor {
    format: &'static Format,
    reader: Box<dyn BlockReader>,
    read_bytes: u64,
    text_bytes: u64,
    has_text: bool,
}

/// What is known at the end of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted {
    /// Whether there is anything to index.
    pub content: Content,
    /// The WHATWG name of the encoding, for formats that are text.
    pub encoding: Option<&'static str>,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes of UTF-8 text in the blocks.
    pub text_bytes: u64,
    /// What was guessed, replaced or left out.
    pub warnings: Vec<Warning>,
}

impl Extractor {
    /// Starts a document. `content_type` may name a charset.
    pub fn new(format: &'static Format, content_type: Option<&str>) -> Self {
        Self { format, reader: (format.open)(content_type), read_bytes: 0, text_bytes: 0, has_text: false }
    }

    /// Reads the next bytes and appends the blocks that are known by now to `blocks`.
    ///
    /// # Errors
    /// Returns `Invalid` if the document is not what its format says. Nothing may be pushed after an
    /// error.
    pub fn push(&mut self, bytes: &[u8], blocks: &mut Blocks) -> Result<(), ExtractionError> {
        self.read_bytes += bytes.len() as u64;
        let start = blocks.text().len();
        self.reader.push(bytes, blocks)?;
        self.count_text(&blocks.text()[start..]);
        Ok(())
    }

    /// Appends the remaining blocks to `blocks` and summarises the document.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(self, blocks: &mut Blocks) -> Result<Extracted, ExtractionError> {
        let Self { format, reader, read_bytes, mut text_bytes, mut has_text } = self;
        let start = blocks.text().len();
        let ReaderSummary { encoding, warnings } = reader.finish(blocks)?;
        let rest = &blocks.text()[start..];
        text_bytes += rest.len() as u64;
        has_text = has_text || is_visible(rest);
        let content = match (read_bytes, has_text) {
            (0, _) => Content::Empty(EmptyReason::NoBytes),
            (_, true) => Content::Text,
            (_, false) => Content::Empty(format.empty_reason),
        };
        Ok(Extracted { content, encoding, read_bytes, text_bytes, warnings })
    }

    fn count_text(&mut self, text: &str) {
        self.text_bytes += text.len() as u64;
        self.has_text = self.has_text || is_visible(text);
    }
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
    use crate::Block;
    use crate::formats::testing::PADDING;

    /// One for each reader.
    const FILE_NAMES: [&str; 9] =
        ["a.txt", "a.md", "a.html", "a.json", "a.jsonl", "a.xml", "a.yaml", "a.csv", "a.srt"];

    fn format(file_name: &str) -> &'static Format {
        Format::detect(file_name, None, b"text").unwrap()
    }

    /// The blocks of a document that arrives in pieces of this size.
    fn extract(
        file_name: &str,
        bytes: &[u8],
        piece: usize,
    ) -> Result<(Vec<String>, String, Extracted), ExtractionError> {
        let mut extractor = Extractor::new(format(file_name), None);
        let mut blocks = Blocks::default();
        for piece in bytes.chunks(piece.max(1)) {
            extractor.push(piece, &mut blocks)?;
        }
        let extracted = extractor.finish(&mut blocks)?;
        let shown = blocks.iter().map(|block| format!("{block:?}")).collect();
        Ok((shown, blocks.text().to_owned(), extracted))
    }

    fn content(file_name: &str, bytes: &[u8]) -> Content {
        extract(file_name, bytes, usize::MAX).unwrap().2.content
    }

    #[test]
    fn text_is_unchanged_and_counted() {
        let (_, text, extracted) = extract("a.txt", "a\r\nb\u{C}größer".as_bytes(), 3).unwrap();
        assert_eq!(text, "a\r\nb\ngrößer");
        assert_eq!(
            extracted,
            Extracted {
                content: Content::Text,
                encoding: Some("UTF-8"),
                read_bytes: 13,
                text_bytes: 13,
                warnings: vec![]
            }
        );
    }

    #[test]
    fn documents_without_text_have_a_reason() {
        use EmptyReason::{NoBytes, OnlyMarkup, OnlyWhiteSpace};
        assert_eq!(content("a.txt", b""), Content::Empty(NoBytes));
        assert_eq!(content("a.html", b""), Content::Empty(NoBytes));
        assert_eq!(content("a.md", "\u{FEFF} \r\n\t\u{200B}".as_bytes()), Content::Empty(OnlyWhiteSpace));
        assert_eq!(content("a.html", b"<p> </p><script>x</script>"), Content::Empty(OnlyMarkup));
        assert_eq!(content("a.html", b"<p>x"), Content::Text);
        assert_eq!(NoBytes.to_string(), "the file is empty: 0 bytes");
    }

    #[test]
    fn binary_file_is_refused_before_it_yields_text() {
        let mut bytes = b"looks like text at first ".repeat(100);
        bytes.extend_from_slice(&[1, 2, 0, 3, 4].repeat(100));
        let mut extractor = Extractor::new(format("a.txt"), None);
        let mut blocks = Blocks::default();
        let pushed = extractor.push(&bytes, &mut blocks);
        let error = pushed.and_then(|()| extractor.finish(&mut blocks)).unwrap_err();
        assert_eq!(blocks.text(), "");
        assert_eq!(
            error.to_string(),
            "this is a binary file, not plain text: 500 of the first 3000 characters are unprintable, NULs among them; \
             at most 5 % allowed (UTF-16 needs a byte order mark or a charset)"
        );
    }

    #[test]
    fn nuls_of_a_truncated_log_are_removed_with_a_warning() {
        let log =
            [&[0; 200_000], b"2024-01-02 pump started\n2024-01-02 \0 pump stopped\n".as_slice()].concat();
        for piece in [1000, usize::MAX] {
            let (_, text, extracted) = extract("pump.log", &log, piece).unwrap();
            assert_eq!(text, "2024-01-02 pump started\n2024-01-02  pump stopped\n");
            assert_eq!(extracted.warnings, [Warning::NulsRemoved { count: 200_001 }]);
        }
        assert_eq!(extract("a.html", b"<p>one\0two", 3).unwrap().1, "onetwo");
    }

    #[test]
    fn bytes_of_any_value_are_no_text() {
        let mut state: u32 = 7;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        for length in [400, 5000, 300_000] {
            let bytes: Vec<u8> = (0..length).map(|_| random()).collect();
            let error = extract("a.txt", &bytes, 4096).unwrap_err().to_string();
            assert!(error.starts_with("this is a binary file"), "{error}");
        }
    }

    #[test]
    fn escape_sequences_and_embedded_data_are_left_out() {
        let base64 = "iVBORw0KGgo".repeat(100);
        for file_name in ["a.txt", "a.md", "a.py"] {
            let text = format!("\x1B[31merror\x1B[0m ![x](data:image/png;base64,{base64}) end");
            for piece in [1, 1000] {
                let (_, text, extracted) = extract(file_name, text.as_bytes(), piece).unwrap();
                assert_eq!(text, "error ![x]() end");
                assert_eq!(extracted.warnings, [Warning::DataOmitted { bytes: 1122 }]);
            }
        }
    }

    #[test]
    fn guessed_encoding_and_replaced_bytes_are_warnings() {
        let (_, text, extracted) = extract("a.txt", b"gr\xF6\xDFer als fr\xFCher", 2).unwrap();
        assert_eq!((text.as_str(), extracted.encoding), ("größer als früher", Some("windows-1252")));
        assert_eq!(
            extracted.warnings[0].to_string(),
            "the encoding is not declared and the text is not UTF-8; read as windows-1252, guessed from its bytes"
        );
        let (.., extracted) = extract("a.html", "ä\u{FFFD}ö".as_bytes(), 2).unwrap();
        assert_eq!(extracted.warnings, []);
        let (.., extracted) = extract("a.html", b"<p>\xC3\xA4\xC3\xA4\xFF", 2).unwrap();
        assert_eq!(extracted.warnings, [Warning::BytesReplaced { bytes: 1, encoding: "UTF-8" }]);
    }

    #[test]
    fn too_many_control_characters_are_refused() {
        let bytes: Vec<u8> = (0..200).map(|index| if index % 2 == 0 { b'a' } else { 3 }).collect();
        assert_eq!(
            extract("a.txt", &bytes, 50).unwrap_err().to_string(),
            "this is a binary file, not plain text: 100 of the first 200 characters are unprintable; at most 30 % allowed"
        );
    }

    #[test]
    fn buffered_bytes_do_not_grow_with_the_document() {
        let paragraph = "A line of text that goes on for a while.\n".repeat(1000);
        let unclosed = format!("<p>{}<a href='", "word <li>item ".repeat(100));
        for (file_name, start, repeated) in [
            ("a.txt", "", paragraph.as_str()),
            ("a.html", unclosed.as_str(), "data:x,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            ("a.json", "[\"", "never ended \\u00e4\\n"),
            ("a.ipynb", "{\"cells\": [", "{\"outputs\": [{\"text\": \"never ended\"}], \"x\": [["),
            ("a.csv", "a,b\n\"", "never ended, \n"),
            ("a.srt", "", "a line that never ends "),
            ("a.xml", "<a b='", "never ended &amp; -- > "),
            ("a.xml", "<![CDATA[", "never ended ]] > "),
            ("a.html", "<!--", "comment that never ends - -- "),
            ("a.html", "", "<div><p><li>never closed "),
            ("a.html", "<h1>", "a heading that never ends "),
            ("a.html", "", "<h1>"),
        ] {
            let mut extractor = Extractor::new(format(file_name), None);
            let mut blocks = Blocks::default();
            extractor.push(start.as_bytes(), &mut blocks).unwrap();
            for _ in 0..2000 {
                extractor.push(repeated.as_bytes(), &mut blocks).unwrap();
                blocks.clear();
                assert!(extractor.reader.buffered_bytes() < 1024 * 1024, "{repeated}");
            }
        }
    }

    #[test]
    fn pages_and_headings_are_marked() {
        let (blocks, ..) = extract("a.txt", b"one\x0Ctwo\x0C\x0Cfour", 2).unwrap();
        let page = |index| format!("{:?}", Block::Page { index });
        let text = |text| format!("{:?}", Block::Text(text));
        let line = |number| format!("{:?}", Block::Line { number });
        assert_eq!(
            blocks,
            [
                line(1),
                page(0),
                text("one\n"),
                line(1),
                page(1),
                text("two\n"),
                line(1),
                page(2),
                text("\n"),
                line(1),
                page(3),
                text("four")
            ]
        );
        let (blocks, ..) = extract("a.c", b"one\x0Ctwo", 1).unwrap();
        assert_eq!(blocks, [line(1), text("one\n"), line(1), text("two")]);
    }

    /// The text of each of the document's lines, by the marks.
    fn lines(blocks: &Blocks) -> Vec<String> {
        let (mut lines, mut current) = (Vec::new(), 0);
        for block in blocks.iter() {
            match block {
                Block::Line { number } => current = number as usize - 1,
                Block::Text(text) => {
                    for (position, line) in text.split('\n').enumerate() {
                        current += usize::from(position > 0);
                        lines.resize_with(lines.len().max(current + 1), String::new);
                        lines[current].push_str(line);
                    }
                }
                _ => {}
            }
        }
        lines
    }

    #[test]
    fn text_keeps_the_lines_of_the_document() {
        let base64 = "iVBORw0KGgo".repeat(100);
        let document = format!(
            "one\r\n\ntwo\x0Bhalf\x0C\n\x1B[31mthree\x1B[0m\n\n![](data:image/png;base64,{base64})\nsix"
        );
        for file_name in ["a.txt", "a.md", "a.py", "a.yaml", "a.jsonl"] {
            for piece in [1, 5, usize::MAX] {
                let mut extractor = Extractor::new(format(file_name), None);
                let mut blocks = Blocks::default();
                for piece in document.as_bytes().chunks(piece) {
                    extractor.push(piece, &mut blocks).unwrap();
                }
                extractor.finish(&mut blocks).unwrap();
                assert_eq!(
                    lines(&blocks),
                    ["one\r", "", "twohalf", "three", "", "![]()", "six"],
                    "{file_name}"
                );
            }
        }
    }

    #[test]
    fn lines_are_not_known_where_the_text_has_others() {
        for file_name in ["a.html", "a.json", "a.csv", "a.srt", "a.xml"] {
            let (blocks, ..) = extract(file_name, b"one\ntwo\n", 1).unwrap();
            assert!(!blocks.iter().any(|block| block.starts_with("Line")), "{file_name}: {blocks:?}");
        }
    }

    proptest! {
        #[test]
        fn neither_blocks_nor_errors_depend_on_the_pieces(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..3000),
                "[ -~\n\r\tä€😀\u{C}]{0,400}".prop_map(String::into_bytes),
                "(\u{1B}\\[31m|\0|\0\0|data:image/png;base64,|[a-zA-Z0-9]{1,90}| |é){0,40}".prop_map(String::into_bytes),
                "(\\[|\\{|\\}|,|\"|\\\\u00e9|\\\\n|<a b='>'>|</a>|<!--|-->|&amp;|&#233|;| |\n|é){0,60}"
                    .prop_map(String::into_bytes),
                "(<h[1-7]>|</h[1-7]>|<p>|[a-z ]{1,400}|<nav>|</nav>){0,20}".prop_map(String::into_bytes),
            ],
            piece in 1usize..700,
        ) {
            let padded = [PADDING.as_slice(), &bytes].concat();
            for file_name in FILE_NAMES {
                prop_assert_eq!(extract(file_name, &bytes, piece), extract(file_name, &bytes, usize::MAX));
                prop_assert_eq!(extract(file_name, &padded, piece), extract(file_name, &padded, usize::MAX));
            }
        }
    }
}
