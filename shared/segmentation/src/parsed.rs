//! Documents that were parsed: frames instead of bytes.

use chunking::Chunker;
use domain::ChunkRecord;
use extraction::{Content, Extracted};
use frames::codec::Decoder;
use frames::{Frame, push_row_text};

use crate::SegmentationError;
use crate::records::append;

/// Chunks the text of a parsed document.
#[derive(Debug)]
pub(crate) struct ParsedBody<'t> {
    decoder: Decoder,
    chunker: Chunker<'t>,
    read_bytes: u64,
    text_bytes: u64,
    title: Option<String>,
    /// A row's line; empty between rows.
    line: String,
}

impl<'t> ParsedBody<'t> {
    pub(crate) fn new(chunker: Chunker<'t>) -> Self {
        let decoder = Decoder::new();
        Self { decoder, chunker, read_bytes: 0, text_bytes: 0, title: None, line: String::new() }
    }

    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        chunks: &mut Vec<ChunkRecord>,
    ) -> Result<(), SegmentationError> {
        self.read_bytes += bytes.len() as u64;
        self.decoder.push(bytes);
        while let Some(frame) = self.decoder.next_frame()? {
            match frame {
                Frame::Text(text) => self.push_text(&text, chunks)?,
                Frame::Row { cells, .. } => {
                    let mut line = std::mem::take(&mut self.line);
                    push_row_text(&cells, &mut line);
                    self.push_text(&line, chunks)?;
                    line.clear();
                    self.line = line;
                }
                Frame::Title(title) => self.title = Some(title),
                // Chunks do not record pages, sections and languages; the artifact has no attachments.
                Frame::Page { .. }
                | Frame::Heading { .. }
                | Frame::Language(_)
                | Frame::Warning(_)
                | Frame::AttachmentStart { .. }
                | Frame::AttachmentData(_)
                | Frame::AttachmentEnd
                | Frame::End(_)
                | Frame::Failed(_) => {}
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self, chunks: &mut Vec<ChunkRecord>) -> Result<Extracted, SegmentationError> {
        self.decoder.finish()?;
        append(chunks, self.chunker.finish()?);
        Ok(Extracted {
            content: Content::Text,
            encoding: None,
            read_bytes: self.read_bytes,
            text_bytes: self.text_bytes,
            warnings: Vec::new(),
            title: self.title,
        })
    }

    fn push_text(&mut self, text: &str, chunks: &mut Vec<ChunkRecord>) -> Result<(), SegmentationError> {
        self.text_bytes += text.len() as u64;
        append(chunks, self.chunker.push(text)?);
        Ok(())
    }
}
