//! The text of a document: what the offsets of its chunks count in.

use extraction::{Blocks, Extractor, Format};
use frames::codec::Decoder;
use frames::{Frame, push_row_text};

use crate::SegmentationError;
use crate::document::HEAD_BYTES;

/// Reads the text of one document, streaming.
#[derive(Debug)]
pub struct DocumentText {
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Collects the bytes by which the format is detected.
    Head {
        file_name: String,
        content_type: Option<String>,
        head: Vec<u8>,
    },
    Body(Box<Extractor>),
    /// The bytes are frames.
    Parsed(Decoder),
}

impl DocumentText {
    /// Starts a document that needs no parser.
    pub fn new(file_name: &str, content_type: Option<&str>) -> Self {
        let (file_name, content_type) = (file_name.to_owned(), content_type.map(str::to_owned));
        Self { stage: Stage::Head { file_name, content_type, head: Vec::new() } }
    }

    /// Starts a document that was parsed: its bytes are those of the text artifact.
    pub fn of_frames() -> Self {
        Self { stage: Stage::Parsed(Decoder::new()) }
    }

    /// Reads the next bytes and appends the text that is known by now.
    ///
    /// # Errors
    /// Returns `Invalid` if the format cannot be read.
    pub fn push(&mut self, bytes: &[u8], text: &mut String) -> Result<(), SegmentationError> {
        match &mut self.stage {
            Stage::Head { file_name, content_type, head } => {
                head.extend_from_slice(bytes);
                if head.len() < HEAD_BYTES {
                    return Ok(());
                }
                let extractor = open(file_name, content_type.as_deref(), head)?;
                let head = std::mem::take(head);
                self.stage = Stage::Body(Box::new(extractor));
                self.push(&head, text)
            }
            Stage::Body(extractor) => {
                let mut blocks = Blocks::default();
                extractor.push(bytes, &mut blocks)?;
                text.push_str(blocks.text());
                Ok(())
            }
            Stage::Parsed(decoder) => {
                decoder.push(bytes);
                while let Some(frame) = decoder.next_frame()? {
                    match frame {
                        Frame::Text(piece) => text.push_str(&piece),
                        Frame::Row { cells, .. } => push_row_text(&cells, text),
                        _ => {}
                    }
                }
                Ok(())
            }
        }
    }

    /// Ends the document and appends the rest of its text.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(self, text: &mut String) -> Result<(), SegmentationError> {
        let mut blocks = Blocks::default();
        match self.stage {
            Stage::Head { file_name, content_type, head } => {
                let mut extractor = open(&file_name, content_type.as_deref(), &head)?;
                extractor.push(&head, &mut blocks)?;
                extractor.finish(&mut blocks)?;
            }
            Stage::Body(extractor) => {
                extractor.finish(&mut blocks)?;
            }
            Stage::Parsed(decoder) => decoder.finish()?,
        }
        text.push_str(blocks.text());
        Ok(())
    }
}

fn open(file_name: &str, content_type: Option<&str>, head: &[u8]) -> Result<Extractor, SegmentationError> {
    let format = Format::detect(file_name, content_type, &head[..head.len().min(HEAD_BYTES)])?;
    Ok(Extractor::new(format, content_type))
}

#[cfg(test)]
mod tests {
    use frames::Summary;
    use frames::codec::{MAGIC, encode};
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    fn text_of(mut document: DocumentText, bytes: &[u8], piece: usize) -> String {
        let mut text = String::new();
        for piece in bytes.chunks(piece) {
            document.push(piece, &mut text).unwrap();
        }
        document.finish(&mut text).unwrap();
        text
    }

    #[test]
    fn encodings_and_markup_are_decoded() {
        let read = |name, bytes: &[u8]| text_of(DocumentText::new(name, None), bytes, 3);
        assert_eq!(read("a.txt", b"\xEF\xBB\xBFcaf\xC3\xA9"), "café");
        assert_eq!(read("a.html", b"<title>T</title><p>caf&eacute;<p>two"), "T\n\ncafé\n\ntwo");
    }

    #[test]
    fn frames_are_joined() {
        let row = |cells: &[&str]| Frame::Row {
            is_header: false,
            cells: cells.iter().map(|cell| (*cell).to_owned()).collect(),
        };
        let mut bytes = MAGIC.to_vec();
        let frames = [
            Frame::Page { index: 0, label: String::new() },
            Frame::Text("one\n".to_owned()),
            row(&["a", "b"]),
            Frame::End(Summary::default()),
        ];
        for frame in &frames {
            encode(frame, &mut bytes).unwrap();
        }
        assert_eq!(text_of(DocumentText::of_frames(), &bytes, 2), "one\na\tb\n");
    }

    proptest! {
        #[test]
        fn text_does_not_depend_on_the_pieces(text in "[a-d \n.#é]{0,20000}", piece in 1usize..9000) {
            prop_assert_eq!(&text_of(DocumentText::new("a.md", None), text.as_bytes(), piece), &text);
        }
    }
}
