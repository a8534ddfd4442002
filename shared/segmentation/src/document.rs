//! The thinking of this stage: bytes in, batches of chunks out. Pure and synchronous; what it
//! holds is bounded whatever the document's size.

use chunking::{Chunk, Chunker, ChunkingParameters, Layout, Strategy};
use domain::{ArtifactKey, ChunkRecord, ChunkSettings};
use extraction::{Content, Extracted, Extractor, Format};
use models::ModelManifest;

use crate::{ModelTokens, PassagesError};

/// As much of a document's start as is looked at to tell its format.
const HEAD_BYTES: usize = 8 * 1024;

/// What decides how a document is read and cut.
#[derive(Debug, Clone)]
pub struct DocumentSettings {
    file_name: String,
    content_type: Option<String>,
    strategy: Strategy,
    chunk_size: u32,
    chunk_overlap: u32,
    max_tokens: u32,
}

impl DocumentSettings {
    /// As a collection's settings say, for its model.
    pub fn new(
        file_name: &str,
        content_type: Option<&str>,
        strategy: Strategy,
        chunks: ChunkSettings,
        model: &ModelManifest,
    ) -> Self {
        // The prefix takes its room from the chunk, so that the model reads both in full.
        let prefix_tokens = model.passage_prefix_tokens;
        Self {
            file_name: file_name.to_owned(),
            content_type: content_type.map(str::to_owned),
            strategy,
            chunk_size: chunks.chunk_size.saturating_sub(prefix_tokens),
            chunk_overlap: chunks.chunk_overlap,
            max_tokens: model.max_tokens.saturating_sub(prefix_tokens),
        }
    }
}

/// One document on its way from bytes to chunks.
#[derive(Debug)]
pub struct DocumentChunks<'t> {
    tokens: &'t ModelTokens,
    settings: DocumentSettings,
    reading: Reading<'t>,
    /// Chunks that do not fill a batch yet.
    pending: Vec<ChunkRecord>,
}

#[derive(Debug)]
enum Reading<'t> {
    /// The format is not known yet.
    Head(Vec<u8>),
    Body(Box<Body<'t>>),
}

impl<'t> DocumentChunks<'t> {
    /// Starts a document.
    pub fn new(tokens: &'t ModelTokens, settings: DocumentSettings) -> Self {
        Self { tokens, settings, reading: Reading::Head(Vec::new()), pending: Vec::new() }
    }

    /// Reads the next bytes; returns the batches that are full by now.
    ///
    /// # Errors
    /// When the bytes are no text, or cannot be cut as the settings say.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Vec<ChunkRecord>>, PassagesError> {
        match &mut self.reading {
            Reading::Head(head) => {
                head.extend_from_slice(bytes);
                if head.len() < HEAD_BYTES {
                    return Ok(Vec::new());
                }
                let mut body = Body::open(self.tokens, &self.settings, head)?;
                body.read(head, &mut self.pending)?;
                self.reading = Reading::Body(Box::new(body));
            }
            Reading::Body(body) => body.read(bytes, &mut self.pending)?,
        }
        Ok(full_batches(&mut self.pending))
    }

    /// The end of the document: the last batches, and what was found out about it.
    ///
    /// # Errors
    /// As of [`Self::push`].
    pub fn finish(mut self) -> Result<(Vec<Vec<ChunkRecord>>, Extracted), PassagesError> {
        let body = match self.reading {
            Reading::Head(head) => {
                let mut body = Body::open(self.tokens, &self.settings, &head)?;
                body.read(&head, &mut self.pending)?;
                body
            }
            Reading::Body(body) => *body,
        };
        let extracted = body.finish(&mut self.pending)?;
        let mut batches = full_batches(&mut self.pending);
        if !self.pending.is_empty() {
            batches.push(self.pending);
        }
        Ok((batches, extracted))
    }
}

/// A document whose format is known.
#[derive(Debug)]
struct Body<'t> {
    extractor: Extractor,
    chunker: Chunker<'t>,
}

impl<'t> Body<'t> {
    fn open(
        tokens: &'t ModelTokens,
        settings: &DocumentSettings,
        head: &[u8],
    ) -> Result<Self, PassagesError> {
        let content_type = settings.content_type.as_deref();
        let looked_at = &head[..head.len().min(HEAD_BYTES)];
        let format = Format::detect(&settings.file_name, content_type, looked_at);
        let parameters = ChunkingParameters::new(
            settings.strategy,
            layout_of(&format),
            settings.chunk_size,
            settings.chunk_overlap,
            settings.max_tokens,
        )?;
        Ok(Self {
            extractor: Extractor::new(&format, content_type)?,
            chunker: Chunker::new(&tokens.tokenizer, tokens.vectors.as_deref(), parameters)?,
        })
    }

    fn read(&mut self, bytes: &[u8], chunks: &mut Vec<ChunkRecord>) -> Result<(), PassagesError> {
        let mut text = String::new();
        self.extractor.push(bytes, &mut text)?;
        take_in(chunks, self.chunker.push(&text)?);
        Ok(())
    }

    fn finish(mut self, chunks: &mut Vec<ChunkRecord>) -> Result<Extracted, PassagesError> {
        let mut text = String::new();
        let extracted = self.extractor.finish(&mut text)?;
        if extracted.content == Content::Text {
            take_in(chunks, self.chunker.push(&text)?);
            take_in(chunks, self.chunker.finish()?);
        }
        Ok(extracted)
    }
}

/// How documents of a format are laid out.
pub fn layout_of(format: &Format) -> Layout {
    match format {
        Format::Markdown => Layout::Markdown,
        Format::SourceCode { .. } => Layout::Code,
        Format::PlainText | Format::Html | Format::Unsupported { .. } => Layout::RunningText,
    }
}

fn take_in(pending: &mut Vec<ChunkRecord>, chunks: Vec<Chunk>) {
    pending.extend(chunks.into_iter().map(|chunk| ChunkRecord {
        index: chunk.index,
        text: chunk.text,
        start_offset: chunk.start_offset,
        end_offset: chunk.end_offset,
        token_count: chunk.token_count,
        parent: chunk.parent,
    }));
}

fn full_batches(pending: &mut Vec<ChunkRecord>) -> Vec<Vec<ChunkRecord>> {
    let mut batches = Vec::new();
    while pending.len() >= ArtifactKey::CHUNKS_PER_BATCH {
        let rest = pending.split_off(ArtifactKey::CHUNKS_PER_BATCH);
        batches.push(std::mem::replace(pending, rest));
    }
    batches
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::{Arc, OnceLock};

    use chunking::ModelTokenizer;
    use domain::Classify;
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    fn settings(file_name: &str) -> DocumentSettings {
        DocumentSettings {
            file_name: file_name.to_owned(),
            content_type: None,
            strategy: Strategy::Recursive,
            chunk_size: 32,
            chunk_overlap: 6,
            max_tokens: 256,
        }
    }

    fn chunk(
        file_name: &str,
        bytes: &[u8],
        piece: usize,
    ) -> Result<(Vec<Vec<ChunkRecord>>, Extracted), PassagesError> {
        let mut document = DocumentChunks::new(tokens(), settings(file_name));
        let mut batches = Vec::new();
        for piece in bytes.chunks(piece.max(1)) {
            batches.extend(document.push(piece)?);
        }
        let (last, extracted) = document.finish()?;
        batches.extend(last);
        Ok((batches, extracted))
    }

    fn tokens() -> &'static ModelTokens {
        static TOKENS: OnceLock<ModelTokens> = OnceLock::new();
        TOKENS.get_or_init(|| {
            let models = std::env::var_os("MODELS_DIR").map_or_else(
                || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.local/models")),
                PathBuf::from,
            );
            let tokenizer = ModelTokenizer::open(&models.join("all-MiniLM-L6-v2/tokenizer.json"))
                .unwrap_or_else(|error| panic!("{error}; run scripts/stack up, or set MODELS_DIR"));
            ModelTokens { tokenizer: Arc::new(tokenizer), vectors: None }
        })
    }

    #[test]
    fn every_batch_but_the_last_is_full_and_indices_run_through() {
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
    fn a_binary_file_by_the_name_of_a_text_is_refused_whatever_its_size() {
        for length in [30, 100_000] {
            let bytes: Vec<u8> = (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect();
            let error = chunk("a.txt", &bytes, 4096).unwrap_err();
            assert!(error.to_string().starts_with("this is a binary file"), "{error}");
            assert!(!error.kind().is_retryable());
        }
    }

    #[test]
    fn a_document_without_text_has_no_chunks_and_a_reason() {
        let (batches, extracted) = chunk("a.html", b"<p> </p>", 3).unwrap();
        assert_eq!(batches.len(), 0);
        assert!(matches!(extracted.content, Content::Empty(_)), "{extracted:?}");
    }

    #[test]
    fn subjects_are_not_looked_for_without_vectors() {
        let read = Strategy::read(
            "semantic",
            &serde_json::Map::new(),
            ChunkSettings { chunk_size: 32, chunk_overlap: 6 },
        );
        let semantic = DocumentSettings { strategy: read.unwrap(), ..settings("a.txt") };
        let mut document = DocumentChunks::new(tokens(), semantic);
        document.push(b"words").unwrap();
        let error = document.finish().unwrap_err();
        assert!(error.to_string().starts_with("chunking_strategy: semantic needs static vectors"), "{error}");
        assert!(!error.kind().is_retryable());
    }

    #[test]
    fn the_model_reads_its_prefix_and_the_chunk() {
        let manifest = serde_json::json!({
            "name": "a/b", "short_name": "b", "dimension": 4, "max_tokens": 64, "special_tokens": 2,
            "pooling": "mean", "normalize": true, "passage_prefix": "passage: ", "passage_prefix_tokens": 3,
        });
        let model: ModelManifest = serde_json::from_value(manifest).unwrap();
        let chunks = ChunkSettings { chunk_size: 64, chunk_overlap: 12 };
        let settings = DocumentSettings::new("a.md", None, Strategy::Recursive, chunks, &model);
        assert_eq!((settings.chunk_size, settings.max_tokens), (61, 61));
    }

    proptest! {
        #[test]
        fn chunks_do_not_depend_on_the_pieces(text in "[a-d \n.#]{0,20000}", piece in 1usize..9000) {
            let whole = chunk("a.md", text.as_bytes(), usize::MAX).unwrap();
            prop_assert_eq!(chunk("a.md", text.as_bytes(), piece).unwrap(), whole);
        }
    }
}
