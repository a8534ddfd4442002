//! Documents that were parsed: frames instead of bytes.

use chunking::Chunker;
use domain::{ChunkRecord, DocumentWarning};
use extraction::{Content, EmptyReason};
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
    sheet: Sheet,
    /// Whether all text so far is white space.
    is_blank: bool,
    /// Files inside the document.
    files: u32,
    /// A row's line; empty between rows.
    line: String,
}

/// Where in a workbook the reader is. The parsers of workbooks begin a sheet with a page and a heading of its name.
#[derive(Debug)]
enum Sheet {
    /// Elsewhere.
    None,
    /// A page of this label has begun.
    Page(String),
    /// Before the sheet's header row.
    Begun,
    /// In the rows under it.
    Table,
}

impl<'t> ParsedBody<'t> {
    pub(crate) fn new(chunker: Chunker<'t>, records: Records<'t>) -> Self {
        let decoder = Decoder::new();
        Self {
            decoder,
            chunker,
            records,
            warnings: Vec::new(),
            sheet: Sheet::None,
            is_blank: true,
            files: 0,
            line: String::new(),
        }
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
                Frame::Row { is_header, cells } => {
                    let mut line = std::mem::take(&mut self.line);
                    push_row_text(&cells, &mut line);
                    if is_header && matches!(self.sheet, Sheet::Begun) {
                        self.records.append(self.chunker.begin_table(line.trim_end())?, chunks)?;
                        self.sheet = Sheet::Table;
                    }
                    self.push_text(&line, chunks)?;
                    line.clear();
                    self.line = line;
                }
                Frame::Title(title) => self.chunker.set_title(&title),
                Frame::Page { index, label } => {
                    if matches!(self.sheet, Sheet::Table) {
                        self.records.append(self.chunker.end_table()?, chunks)?;
                    }
                    self.sheet = Sheet::Page(label);
                    self.chunker.begin_page(index);
                }
                Frame::Heading { level, text } => {
                    if matches!(&self.sheet, Sheet::Page(label) if *label == text) {
                        self.sheet = Sheet::Begun;
                    }
                    self.chunker.begin_section(level, &text, None);
                }
                Frame::Warning(warning) => self.warnings.push(parser_warning(warning)),
                Frame::End(summary) => self.files = summary.attachments,
                // Words are stemmed in the language of their chunk; the artifact has no attachments.
                Frame::Language(_)
                | Frame::AttachmentStart { .. }
                | Frame::AttachmentData(_)
                | Frame::AttachmentEnd
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
        let content = match self.files {
            files @ 1.. if self.is_blank => Content::Empty(EmptyReason::OnlyFiles { files }),
            _ => Content::Text,
        };
        Ok(DocumentSummary { content, warnings: self.warnings })
    }

    fn push_text(&mut self, text: &str, chunks: &mut Vec<ChunkRecord>) -> Result<(), SegmentationError> {
        self.is_blank = self.is_blank && text.trim().is_empty();
        self.records.append(self.chunker.push(text)?, chunks)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use frames::Summary;
    use frames::codec::{MAGIC, encode};

    use super::*;
    use crate::testing::tokens;
    use crate::{DocumentChunker, DocumentSettings};

    #[test]
    fn chunks_of_a_sheet_begin_with_its_header_row_and_cut_no_row() {
        let mut frames = Vec::new();
        for (index, name) in ["Berths", "Tides"].into_iter().enumerate() {
            let label = name.to_owned();
            frames.push(Frame::Page { index: u32::try_from(index).unwrap(), label: label.clone() });
            frames.push(Frame::Heading { level: 1, text: label });
            frames.push(Frame::Text("A title\n".to_owned()));
            let row = |is_header, cells: [&str; 2]| Frame::Row {
                is_header,
                cells: cells.map(str::to_owned).to_vec(),
            };
            frames.push(row(true, [name, "harbour"]));
            frames.extend(
                (0..40).map(|number| row(false, [&format!("number {number}"), "of the northern harbour"])),
            );
        }
        frames.push(Frame::End(Summary::default()));
        let mut bytes = MAGIC.to_vec();
        for frame in &frames {
            encode(frame, &mut bytes).unwrap();
        }
        let mut document = DocumentChunker::of_frames(tokens(), DocumentSettings::short("a.xlsx")).unwrap();
        document.push(&bytes).unwrap();
        let (batches, _) = document.finish().unwrap();
        let chunks: Vec<&ChunkRecord> = batches.iter().flatten().collect();
        assert!(chunks.len() > 8);
        for chunk in chunks {
            let sheet = &chunk.place.section_path[0];
            assert_eq!(chunk.place.first_page, Some(if sheet == "Berths" { 1 } else { 2 }));
            if chunk.text != "A title" {
                assert!(chunk.text.starts_with(&format!("{sheet}\tharbour\n")), "{:?}", chunk.text);
                assert!(chunk.text.ends_with("harbour"), "{:?}", chunk.text);
                assert_eq!(chunk.text.matches(&format!("{sheet}\t")).count(), 1, "{:?}", chunk.text);
            }
        }
    }
}
