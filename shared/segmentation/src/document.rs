//! From a document's bytes to batches of its chunks.

use chunking::{Chunker, ChunkingParameters, Strategy};
use domain::{ChunkRecord, ChunkSettings, Layout};
use extraction::{Block, Blocks, Content, Extractor, Format};
use frames::DocumentFormat;
use models::ModelManifest;

use crate::context::{CONTEXT_TOKENS, Contexts};
use crate::parsed::ParsedBody;
use crate::records::{Records, drain_full_batches};
use crate::{DocumentSummary, ModelTokens, SegmentationError};

/// Bytes of the document's start that are used to detect its format.
pub(crate) const HEAD_BYTES: usize = 8 * 1024;

/// How a document is read and chunked.
#[derive(Debug, Clone)]
pub struct DocumentSettings {
    file_name: String,
    content_type: Option<String>,
    title: Option<String>,
    strategy: Strategy,
    chunk_size: u32,
    chunk_overlap: u32,
    max_tokens: u32,
    contextualize: bool,
}

impl DocumentSettings {
    /// Short chunks, for tests.
    #[cfg(test)]
    pub(crate) fn short(file_name: &str) -> Self {
        Self {
            file_name: file_name.to_owned(),
            content_type: None,
            title: None,
            strategy: Strategy::Recursive,
            chunk_size: 32,
            chunk_overlap: 6,
            max_tokens: 256,
            contextualize: true,
        }
    }

    /// Combines a document's name and content type with its collection's settings and model.
    pub fn new(
        file_name: &str,
        content_type: Option<&str>,
        strategy: Strategy,
        chunks: ChunkSettings,
        contextualize: bool,
        model: &ModelManifest,
    ) -> Self {
        // The model reads its prefix and the chunk together, so the prefix takes its tokens from the chunk.
        let prefix_tokens = model.passage_prefix_tokens;
        Self {
            file_name: file_name.to_owned(),
            content_type: content_type.map(str::to_owned),
            title: None,
            strategy,
            chunk_size: chunks.chunk_size.saturating_sub(prefix_tokens),
            chunk_overlap: chunks.chunk_overlap,
            max_tokens: model.max_tokens.saturating_sub(prefix_tokens),
            contextualize,
        }
    }
}

impl DocumentSettings {
    /// Sets the title that the document's source gives it, which beats the one in the document.
    pub fn with_title(self, title: Option<String>) -> Self {
        Self { title, ..self }
    }

    /// Returns the document's format if it needs a parser, by its first bytes (1 KiB is enough), its name and its
    /// content type.
    pub fn parsed_format(&self, head: &[u8]) -> Option<DocumentFormat> {
        parsed_format(&self.file_name, self.content_type.as_deref(), head)
    }

    /// Starts the chunks of a document, and their records. What has no headings has only empty contexts, which need no
    /// room.
    fn open<'t>(
        &self,
        tokens: &'t ModelTokens,
        layout: Layout,
        has_headings: bool,
    ) -> Result<(Chunker<'t>, Records<'t>), SegmentationError> {
        let has_contexts = self.contextualize && (has_headings || self.title.is_some());
        let (chunk_size, chunk_overlap) = self.chunk_tokens(has_contexts);
        let parameters =
            ChunkingParameters::new(self.strategy, layout, chunk_size, chunk_overlap, self.max_tokens)?;
        let mut chunker = Chunker::new(&tokens.tokenizer, tokens.vectors.as_deref(), parameters)?;
        if let Some(title) = &self.title {
            chunker.set_title(title);
        }
        Ok((chunker, Records { contexts: self.contextualize.then(|| Contexts::new(&tokens.tokenizer)) }))
    }

    /// Returns size and overlap of chunks. A context takes its tokens from what the model has left.
    fn chunk_tokens(&self, has_contexts: bool) -> (u32, u32) {
        let most = self.max_tokens.saturating_sub(if has_contexts { CONTEXT_TOKENS } else { 0 });
        let size = self.chunk_size.min(most);
        (size, self.chunk_overlap.min(size.saturating_sub(1)))
    }
}

/// Returns a document's format if it needs a parser, by its name, its content type and its first bytes (1 KiB is
/// enough).
pub fn parsed_format(file_name: &str, content_type: Option<&str>, head: &[u8]) -> Option<DocumentFormat> {
    DocumentFormat::detect(file_name, content_type.unwrap_or_default(), head)
}

/// Chunks one document, streaming. What it buffers is bounded whatever the document's size.
#[derive(Debug)]
pub struct DocumentChunker<'t> {
    tokens: &'t ModelTokens,
    settings: DocumentSettings,
    stage: Stage<'t>,
    /// Chunks that do not fill a batch yet.
    pending: Vec<ChunkRecord>,
}

#[derive(Debug)]
enum Stage<'t> {
    /// Collects the bytes by which the format is detected.
    Head(Vec<u8>),
    Body(Box<Body<'t>>),
    /// The bytes are frames.
    Parsed(Box<ParsedBody<'t>>),
}

impl<'t> DocumentChunker<'t> {
    /// Starts a document.
    pub fn new(tokens: &'t ModelTokens, settings: DocumentSettings) -> Self {
        Self { tokens, settings, stage: Stage::Head(Vec::new()), pending: Vec::new() }
    }

    /// Starts a document that was parsed: its bytes are those of the text artifact.
    ///
    /// # Errors
    /// Returns `Invalid` if the settings cannot be used.
    pub fn of_frames(tokens: &'t ModelTokens, settings: DocumentSettings) -> Result<Self, SegmentationError> {
        let (chunker, records) = settings.open(tokens, Layout::Prose, true)?;
        let body = ParsedBody::new(chunker, records);
        Ok(Self { tokens, settings, stage: Stage::Parsed(Box::new(body)), pending: Vec::new() })
    }

    /// Reads the next bytes and returns the batches that are full by now.
    ///
    /// # Errors
    /// Returns `Invalid` if the format cannot be read, or the settings cannot be used with it.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Vec<ChunkRecord>>, SegmentationError> {
        match &mut self.stage {
            Stage::Head(head) => {
                head.extend_from_slice(bytes);
                if head.len() < HEAD_BYTES {
                    return Ok(Vec::new());
                }
                let mut body = Body::open(self.tokens, &self.settings, head)?;
                body.push(head, &mut self.pending)?;
                self.stage = Stage::Body(Box::new(body));
            }
            Stage::Body(body) => body.push(bytes, &mut self.pending)?,
            Stage::Parsed(body) => body.push(bytes, &mut self.pending)?,
        }
        Ok(drain_full_batches(&mut self.pending))
    }

    /// Ends the document and returns the remaining batches with a summary.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn finish(mut self) -> Result<(Vec<Vec<ChunkRecord>>, DocumentSummary), SegmentationError> {
        let summary = match self.stage {
            Stage::Head(head) => {
                let mut body = Body::open(self.tokens, &self.settings, &head)?;
                body.push(&head, &mut self.pending)?;
                body.finish(&mut self.pending)?
            }
            Stage::Body(body) => body.finish(&mut self.pending)?,
            Stage::Parsed(body) => body.finish(&mut self.pending)?,
        };
        let mut batches = drain_full_batches(&mut self.pending);
        if !self.pending.is_empty() {
            batches.push(self.pending);
        }
        Ok((batches, summary))
    }
}

/// A document of a known format.
#[derive(Debug)]
struct Body<'t> {
    extractor: Extractor,
    chunker: Chunker<'t>,
    records: Records<'t>,
    /// Empty between calls.
    blocks: Blocks,
}

impl<'t> Body<'t> {
    fn open(
        tokens: &'t ModelTokens,
        settings: &DocumentSettings,
        head: &[u8],
    ) -> Result<Self, SegmentationError> {
        let content_type = settings.content_type.as_deref();
        let head = &head[..head.len().min(HEAD_BYTES)];
        let format = Format::detect(&settings.file_name, content_type, head)?;
        let (chunker, records) = settings.open(tokens, format.layout(), format.has_headings())?;
        Ok(Self {
            extractor: Extractor::new(format, content_type),
            chunker,
            records,
            blocks: Blocks::default(),
        })
    }

    fn push(&mut self, bytes: &[u8], chunks: &mut Vec<ChunkRecord>) -> Result<(), SegmentationError> {
        self.extractor.push(bytes, &mut self.blocks)?;
        chunk_blocks(&mut self.blocks, &mut self.chunker, &mut self.records, chunks)
    }

    fn finish(self, chunks: &mut Vec<ChunkRecord>) -> Result<DocumentSummary, SegmentationError> {
        let Self { extractor, mut chunker, mut records, mut blocks } = self;
        let extracted = extractor.finish(&mut blocks)?;
        if extracted.content == Content::Text {
            chunk_blocks(&mut blocks, &mut chunker, &mut records, chunks)?;
            records.append(chunker.finish()?, chunks)?;
        }
        Ok(extracted.into())
    }
}

/// Chunks the text of the blocks and clears them.
fn chunk_blocks(
    blocks: &mut Blocks,
    chunker: &mut Chunker<'_>,
    records: &mut Records<'_>,
    chunks: &mut Vec<ChunkRecord>,
) -> Result<(), SegmentationError> {
    for block in blocks.iter() {
        match block {
            Block::Text(text) => records.append(chunker.push(text)?, chunks)?,
            Block::Title(title) => chunker.set_title(title),
            Block::Page { index } => chunker.begin_page(index),
            Block::Line { number } => chunker.begin_line(number),
            Block::Heading { level, text, anchor } => {
                if level == 1 {
                    // Of a page without a title.
                    chunker.set_title(text);
                }
                chunker.begin_section(level, text, anchor);
            }
        }
    }
    blocks.clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use domain::{ArtifactKey, Classify};
    use proptest::{prop_assert_eq, proptest};

    use super::*;
    use crate::testing::tokens;

    fn chunk(
        file_name: &str,
        bytes: &[u8],
        piece: usize,
    ) -> Result<(Vec<Vec<ChunkRecord>>, DocumentSummary), SegmentationError> {
        let mut document = DocumentChunker::new(tokens(), DocumentSettings::short(file_name));
        let mut batches = Vec::new();
        for piece in bytes.chunks(piece.max(1)) {
            batches.extend(document.push(piece)?);
        }
        let (last, extracted) = document.finish()?;
        batches.extend(last);
        Ok((batches, extracted))
    }

    #[test]
    fn all_batches_but_the_last_are_full_and_indices_are_consecutive() {
        let text = "some words about a stone. ".repeat(4000);
        let (batches, extracted) = chunk("a.txt", text.as_bytes(), 10_000).unwrap();
        assert_eq!(extracted.content, Content::Text);
        let (last, full) = batches.split_last().unwrap();
        assert!(full.len() > 1 && full.iter().all(|batch| batch.len() == ArtifactKey::CHUNKS_PER_BATCH));
        assert!((1..=ArtifactKey::CHUNKS_PER_BATCH).contains(&last.len()));
        let indices: Vec<u32> = batches.iter().flatten().map(|chunk| chunk.index).collect();
        assert_eq!(indices, (0..u32::try_from(indices.len()).unwrap()).collect::<Vec<_>>());
    }

    #[test]
    fn binary_file_with_text_extension_is_refused_whatever_its_size() {
        for length in [30, 100_000] {
            let bytes: Vec<u8> = (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect();
            let error = chunk("a.txt", &bytes, 4096).unwrap_err();
            assert!(error.to_string().starts_with("this is a binary file"), "{error}");
            assert!(!error.kind().is_retryable());
        }
    }

    #[test]
    fn document_without_text_has_no_chunks_and_a_reason() {
        let (batches, extracted) = chunk("a.html", b"<p> </p>", 3).unwrap();
        assert_eq!(batches.len(), 0);
        assert!(matches!(extracted.content, Content::Empty(_)), "{extracted:?}");
    }

    #[test]
    fn semantic_strategy_needs_static_vectors() {
        let read = Strategy::parse(
            "semantic",
            &serde_json::Map::new(),
            ChunkSettings { chunk_size: 32, chunk_overlap: 6 },
        );
        let semantic = DocumentSettings { strategy: read.unwrap(), ..DocumentSettings::short("a.txt") };
        let mut document = DocumentChunker::new(tokens(), semantic);
        document.push(b"words").unwrap();
        let error = document.finish().unwrap_err();
        assert!(error.to_string().starts_with("chunking_strategy: semantic needs static vectors"), "{error}");
        assert!(!error.kind().is_retryable());
    }

    #[test]
    fn prefix_tokens_are_deducted_from_the_chunk() {
        let manifest = serde_json::json!({
            "name": "a/b", "short_name": "b", "dimension": 4, "max_tokens": 64, "special_tokens": 2,
            "pooling": "mean", "normalize": true, "passage_prefix": "passage: ", "passage_prefix_tokens": 3,
        });
        let model: ModelManifest = serde_json::from_value(manifest).unwrap();
        let chunks = ChunkSettings { chunk_size: 64, chunk_overlap: 12 };
        let settings = DocumentSettings::new("a.md", None, Strategy::Recursive, chunks, false, &model);
        assert_eq!((settings.chunk_tokens(false), settings.max_tokens), ((61, 12), 61));
        assert_eq!(settings.chunk_tokens(true), (29, 12), "and those of the context");
    }

    #[test]
    fn room_for_contexts_is_left_where_there_are_headings() {
        let text = "word ".repeat(300);
        let longest = |file_name: &str, title: Option<&str>, contextualize| {
            let settings =
                DocumentSettings { chunk_size: 256, contextualize, ..DocumentSettings::short(file_name) };
            let settings = settings.with_title(title.map(str::to_owned));
            let mut document = DocumentChunker::new(tokens(), settings);
            let mut batches = document.push(text.as_bytes()).unwrap();
            batches.extend(document.finish().unwrap().0);
            batches.iter().flatten().map(|record| record.token_count).max().unwrap()
        };
        let without = longest("a.md", None, false);
        assert!(longest("a.md", None, true) + CONTEXT_TOKENS <= without + 1);
        assert!(longest("a.txt", Some("Tides"), true) + CONTEXT_TOKENS <= without + 1);
        assert_eq!(longest("a.txt", None, true), without);
    }

    #[test]
    fn title_of_the_source_beats_that_of_the_document() {
        let title_of = |given: Option<&str>| {
            let settings = DocumentSettings::short("a.html").with_title(given.map(str::to_owned));
            let mut document = DocumentChunker::new(tokens(), settings);
            document.push(b"<title>Inside</title><p>Some text").unwrap();
            document.finish().unwrap().0[0][0].place.title.clone().unwrap()
        };
        assert_eq!(title_of(None), "Inside");
        assert_eq!(title_of(Some("Given")), "Given");
        assert_eq!(title_of(Some(" ")), "Inside", "a blank title is none");
    }

    #[test]
    fn chunks_of_a_web_page_have_the_anchor_of_their_section() {
        let words = "some words about a stone. ".repeat(8);
        let page = format!(
            "<h1>Stones</h1><p>{words}<section id=chalk><h2>Chalk</h2><p>{words}</section><h2 id=flint>Flint</h2>{words}"
        );
        let (batches, _) = chunk("a.html", page.as_bytes(), 100).unwrap();
        let anchor_of = |section: &str| {
            let chunk = batches
                .iter()
                .flatten()
                .find(|chunk| chunk.place.section_path.ends_with(&[section.to_owned()]));
            chunk.unwrap().place.anchor.clone()
        };
        assert_eq!(anchor_of("Stones"), None);
        assert_eq!(anchor_of("Chalk").as_deref(), Some("chalk"));
        assert_eq!(anchor_of("Flint").as_deref(), Some("flint"));
        let (batches, _) = chunk("a.md", format!("# Chalk {{#chalk}}\n\n{words}").as_bytes(), 100).unwrap();
        let place = &batches[0][0].place;
        assert_eq!((place.anchor.as_deref(), place.title.as_deref()), (Some("chalk"), Some("Chalk")));
    }

    #[test]
    fn lines_are_those_of_the_original() {
        let data = "iVBORw0KGgo".repeat(100);
        let text = format!("start\r\n\x1B[1m\n![](data:image/png;base64,{data})\n\x0C\nthe end\n");
        let place = chunk("a.txt", text.as_bytes(), 7).unwrap().0[0].last().unwrap().place.clone();
        assert_eq!((place.first_line, place.last_line), (Some(1), Some(5)));
        for name in ["a.html", "a.csv", "a.json"] {
            assert_eq!(chunk(name, b"a text", 7).unwrap().0[0][0].place.first_line, None, "{name}");
        }
    }

    proptest! {
        // Form feeds and vertical tabs become line feeds in the text, at the same offsets.
        #[test]
        fn lines_of_chunks_are_counted_in_the_document(
            text in "([a-c ]{0,9}(\n|\n\n|\r\n|\x0C|\x0B|\n\n\n\n    |# ))*", name in "a\\.(txt|md|py)", piece in 1usize..3000
        ) {
            let text = format!("{text}\nword").repeat(20);
            let lines_before = |offset: u64| {
                let before = &text.as_bytes()[..usize::try_from(offset).unwrap()];
                u32::try_from(before.iter().filter(|byte| **byte == b'\n').count()).unwrap()
            };
            let (batches, _) = chunk(&name, text.as_bytes(), piece).unwrap();
            for chunk in batches.iter().flatten() {
                prop_assert_eq!(chunk.place.first_line, Some(1 + lines_before(chunk.start_offset)));
                prop_assert_eq!(chunk.place.last_line, Some(1 + lines_before(chunk.end_offset)));
            }
        }

        #[test]
        fn chunks_do_not_depend_on_the_pieces(text in "[a-d \n.#]{0,20000}", piece in 1usize..9000) {
            let whole = chunk("a.md", text.as_bytes(), usize::MAX).unwrap();
            prop_assert_eq!(chunk("a.md", text.as_bytes(), piece).unwrap(), whole);
        }
    }
}
