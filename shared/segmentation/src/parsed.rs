//! Documents that were parsed: frames instead of bytes.

use chunking::Chunker;
use domain::{ChunkRecord, DocumentWarning};
use extraction::Content;
use frames::codec::Decoder;
use frames::{Frame, push_row_text};

use crate::records::Records;
use crate::summary::parser_warning;
use crate::{DocumentSummary, SegmentationError};

/// Chunks the text of a parsed document.
#[derive(Debug)]
pub(crate) struct ParsedBody<'t> {
    decoder: Decoder,
    chunker: Chunker<'t>,
    records: Records<'t>,
    warnings: Vec<DocumentWarning>,
    /// A row's line; empty between rows.
    line: String,
}

impl<'t> ParsedBody<'t> {
    pub(crate) fn new(chunker: Chunker<'t>, records: Records<'t>) -> Self {
        let decoder = Decoder::new();
        Self { decoder, chunker, records, warnings: Vec::new(), line: String::new() }
    }

    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        chunks: &mut Vec<ChunkRecord>,
    ) -> Result<(), SegmentationError> {
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
                Frame::Title(title) => self.chunker.set_title(&title),
                Frame::Page { index, .. } => self.chunker.begin_page(index),
                Frame::Heading { level, text } => self.chunker.begin_section(level, &text),
                Frame::Warning(warning) => self.warnings.push(parser_warning(warning)),
                // Words are stemmed in the language of their chunk; the artifact has no attachments.
                Frame::Language(_)
                | Frame::AttachmentStart { .. }
                | Frame::AttachmentData(_)
                | Frame::AttachmentEnd
                | Frame::End(_)
                | Frame::Failed(_) => {}
            }
        }
        Ok(())
    }

    pub(crate) fn finish(
        mut self,
        chunks: &mut Vec<ChunkRecord>,
    ) -> Result<DocumentSummary, SegmentationError> {
        self.decoder.finish()?;
        self.records.append(self.chunker.finish()?, chunks)?;
        Ok(DocumentSummary { content: Content::Text, warnings: self.warnings })
    }

    fn push_text(&mut self, text: &str, chunks: &mut Vec<ChunkRecord>) -> Result<(), SegmentationError> {
        self.records.append(self.chunker.push(text)?, chunks)?;
        Ok(())
    }
}
