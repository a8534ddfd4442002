//! The streaming chunker.

use domain::{ChunkParent, ChunkPlace};

use crate::boundary::{Boundaries, Boundary};
use crate::header::Header;
use crate::headings::Headings;
use crate::lines::Lines;
use crate::places::Places;
use crate::pre_token::PreToken;
use crate::scanner::Scanner;
use crate::split::{Split, next_split};
use crate::static_vectors::StaticVectors;
use crate::topics::Topics;
use crate::window::{Counted, Window, chunk_start};
use crate::word_counts::WordCounts;
use crate::word_tokens::WordTokens;
use crate::{ChunkingError, ChunkingParameters, Layout, ModelTokenizer};

/// Bytes of text that are scanned at a time, so that a large push needs no large buffer.
const PIECE_BYTES: usize = 64 * 1024;

/// Bytes that are encoded at a time to estimate token counts, where they are not counted per word.
const BATCH_BYTES: u64 = 2048;

/// One chunk of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Position in the document, from 0.
    pub index: u32,
    /// The document's text from `start_offset` to `end_offset`. In a table, the header row comes before it.
    pub text: String,
    /// In bytes of the document's UTF-8 text.
    pub start_offset: u64,
    /// In bytes, exclusive.
    pub end_offset: u64,
    /// Tokens that the model reads, special tokens included. At most `chunk_size`.
    pub token_count: u32,
    /// The parent that it is a part of, if the strategy has parents.
    pub parent: Option<ChunkParent>,
    /// The title, sections, pages and lines that it was pushed under.
    pub place: ChunkPlace,
}

/// Splits one document's text into chunks.
#[derive(Debug)]
pub struct Chunker<'t> {
    tokenizer: &'t ModelTokenizer,
    counts: Option<WordCounts>,
    scanner: Scanner,
    boundaries: Boundaries,
    /// Pre-tokens without token counts yet, where tokens are not counted per word.
    batch: Vec<(PreToken, Boundary)>,
    /// Detects changes of topic, if chunks end there.
    topics: Option<Topics<'t>>,
    /// A cache of the tokens of words, for topics.
    word_tokens: WordTokens,
    /// The parents that chunks are split from, if the strategy has parents.
    parents: Option<Parents>,
    /// The header row that chunks repeat, if the document is a table.
    header: Header,
    /// The layout outside tables.
    layout: Layout,
    /// Follows the lines of Markdown.
    headings: Option<Headings>,
    places: Places,
    lines: Lines,
    /// Bytes of text so far.
    pushed: u64,
    window: Window,
    next_index: u32,
}

/// The parents of chunks.
#[derive(Debug)]
struct Parents {
    window: Window,
    next_index: u32,
}

impl<'t> Chunker<'t> {
    /// Starts a document. Only strategies that need `vectors` use them.
    ///
    /// # Errors
    /// Returns [`ChunkingError::NoRoomForText`] if the model's special tokens fill the chunk,
    /// [`ChunkingError::NoStaticVectors`] if vectors are needed and missing.
    pub fn new(
        tokenizer: &'t ModelTokenizer,
        vectors: Option<&'t StaticVectors>,
        parameters: ChunkingParameters,
    ) -> Result<Self, ChunkingError> {
        let special = tokenizer.special_tokens();
        let max_tokens = parameters.chunk_size.saturating_sub(special);
        if max_tokens < 8 {
            return Err(ChunkingError::NoRoomForText { chunk_size: parameters.chunk_size, special });
        }
        let max_bytes = 32 * u64::from(parameters.chunk_size);
        // Half of it, so that an indented word of this length still fits.
        let max_word_bytes = 16 * parameters.chunk_size as usize;
        let topics = match (parameters.plan.semantic, vectors) {
            (Some(config), Some(vectors)) => Some(Topics::new(vectors, config, max_tokens, max_bytes)),
            (Some(_), None) => return Err(ChunkingError::NoStaticVectors),
            (None, _) => None,
        };
        let parents = parameters.plan.parent_size.map(|size| {
            // A parent holds at least one chunk.
            let size = size.max(parameters.chunk_size);
            let mut window = Window::new(size - special, 32 * u64::from(size), 0);
            window.removed = Some(Vec::new());
            Parents { window, next_index: 0 }
        });
        Ok(Self {
            tokenizer,
            counts: Some(tokenizer.take_counts()),
            scanner: Scanner::new(max_word_bytes, tokenizer.added_tokens()),
            boundaries: Boundaries::new(&parameters.plan),
            batch: Vec::new(),
            topics,
            word_tokens: WordTokens::default(),
            parents,
            header: Header::new(parameters.plan.layout),
            layout: parameters.plan.layout,
            headings: (parameters.plan.layout == Layout::Markdown).then(Headings::default),
            places: Places::default(),
            lines: Lines::default(),
            pushed: 0,
            window: Window::new(max_tokens, max_bytes, parameters.chunk_overlap),
            next_index: 0,
        })
    }

    /// The document has this title. Only the first one counts, and only for chunks that end after the text so far.
    pub fn set_title(&mut self, title: &str) {
        self.places.set_title(self.pushed, title);
    }

    /// The text that follows is on this page, from 0.
    pub fn begin_page(&mut self, index: u32) {
        self.places.begin_page(self.pushed, index);
    }

    /// The text that follows belongs to the section of this heading, until the next one of its level (1 to 6) or
    /// above. Links lead to the heading by `anchor`, if it has one. The sections of Markdown are found in the text.
    pub fn begin_section(&mut self, level: u8, heading: &str, anchor: Option<&str>) {
        self.places.begin_section(self.pushed, level, heading, anchor);
    }

    /// The text that follows begins on this line of the original document, from 1, and each line feed in it begins the
    /// next line. Without it, the lines of chunks are not known.
    pub fn begin_line(&mut self, number: u32) {
        self.lines.begin(self.pushed, number);
    }

    /// The text that follows is a table, whose first row names its columns: `header`, without its line break. Until
    /// [`Self::end_table`], chunks begin with that row and cut none, as in documents that are tables. The text so far has
    /// to end with a line break; returns its last chunks.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn begin_table(&mut self, header: &str) -> Result<Vec<Chunk>, ChunkingError> {
        let chunks = self.end_table()?;
        let end = self.pushed + header.len() as u64;
        self.header = Header::of_row(header, end, self.tokenizer, &mut self.window)?;
        self.boundaries.set_layout(Layout::Records);
        Ok(chunks)
    }

    /// Ends the table and returns its last chunks. Does nothing but that outside tables.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn end_table(&mut self) -> Result<Vec<Chunk>, ChunkingError> {
        let mut chunks = Vec::new();
        self.read_pre_tokens(true, &mut chunks)?;
        self.flush(&mut chunks)?;
        self.header.end(&mut self.window);
        self.boundaries.set_layout(self.layout);
        Ok(chunks)
    }

    /// Reads the next text and returns the chunks that are complete by now.
    ///
    /// # Errors
    /// Returns [`ChunkingError::Tokenize`] if the tokenizer refuses the text.
    pub fn push(&mut self, text: &str) -> Result<Vec<Chunk>, ChunkingError> {
        let mut chunks = Vec::new();
        self.pushed += text.len() as u64;
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(rest.ceil_char_boundary(PIECE_BYTES.min(rest.len())));
            self.scanner.push(piece);
            self.read_pre_tokens(false, &mut chunks)?;
            rest = later;
        }
        Ok(chunks)
    }

    /// Ends the document and returns the last chunks.
    ///
    /// # Errors
    /// Returns [`ChunkingError::Tokenize`] if the tokenizer refuses the text.
    pub fn finish(mut self) -> Result<Vec<Chunk>, ChunkingError> {
        let mut chunks = Vec::new();
        self.read_pre_tokens(true, &mut chunks)?;
        if let Some(headings) = &mut self.headings {
            headings.end_line(&self.scanner, &mut self.places);
        }
        self.flush(&mut chunks)?;
        Ok(chunks)
    }

    fn read_pre_tokens(&mut self, is_last: bool, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        while let Some(pre_token) = self.scanner.next(is_last) {
            if pre_token.gap.continues_word || pre_token.gap.bytes >= self.window.max_bytes {
                self.flush(chunks)?;
            }
            self.header.read(
                &pre_token,
                self.next_index > 0,
                self.tokenizer,
                &self.scanner,
                &mut self.window,
            )?;
            let text = self.scanner.slice(pre_token.start, pre_token.end);
            let boundary = self.boundaries.next(&pre_token, text, self.scanner.peek(pre_token.start));
            if let Some(headings) = &mut self.headings {
                headings.read(&pre_token, &boundary, &self.scanner, &mut self.places);
            }
            if boundary.begins_section {
                self.flush(chunks)?;
            } else if boundary.line_before_begins_section {
                self.flush_before_line(chunks)?;
            }
            self.read_pre_token(pre_token, boundary, chunks)?;
        }
        if self.scanner.trailing_gap_bytes() >= self.window.max_bytes {
            // No chunk can span it, so the text before it need not be buffered any longer.
            self.flush(chunks)?;
        }
        let needed = self.first_needed();
        self.lines.advance(needed.unwrap_or_else(|| self.scanner.position()), &self.scanner);
        self.scanner.release(needed);
        Ok(())
    }

    fn read_pre_token(
        &mut self,
        pre_token: PreToken,
        boundary: Boundary,
        chunks: &mut Vec<Chunk>,
    ) -> Result<(), ChunkingError> {
        let (true, Some(counts)) = (self.tokenizer.counts_per_word(), &mut self.counts) else {
            return self.push_uncounted(pre_token, boundary, chunks);
        };
        let text = self.scanner.slice(pre_token.start, pre_token.end);
        if self.topics.is_some() {
            let tokens = self.tokenizer.pre_token_ids(text, &mut self.word_tokens)?;
            let count = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
            return self.route(Counted::new(&pre_token, &boundary, count), &tokens, chunks);
        }
        let count = self.tokenizer.count_pre_token(text, counts)?;
        self.route(Counted::new(&pre_token, &boundary, count), &[], chunks)
    }

    /// Start of the first text that is in no complete chunk.
    fn first_needed(&self) -> Option<u64> {
        let placed = [
            self.window.pre_tokens.first(),
            self.topics.as_ref().and_then(Topics::first),
            self.parents.as_ref().and_then(|parents| parents.window.pre_tokens.first()),
        ];
        let placed = placed.into_iter().flatten().map(|pre_token| pre_token.chunk_start);
        let batch = self.batch.first().map(|(pre_token, boundary)| chunk_start(pre_token, boundary));
        let line = self.headings.as_ref().and_then(Headings::first_needed);
        placed.chain(batch).chain(line).min()
    }

    /// Collects pre-tokens until there are enough to encode at once; a batch ends at white space if
    /// possible.
    fn push_uncounted(
        &mut self,
        pre_token: PreToken,
        boundary: Boundary,
        chunks: &mut Vec<Chunk>,
    ) -> Result<(), ChunkingError> {
        if let Some((first, _)) = self.batch.first() {
            let length = pre_token.end - first.start;
            if length > 4 * BATCH_BYTES || (length > BATCH_BYTES && pre_token.gap.bytes > 0) {
                self.count_batch(chunks)?;
            }
        }
        self.batch.push((pre_token, boundary));
        Ok(())
    }

    /// Assigns to each pre-token of the batch the tokens that end in it. An estimate, because a chunk that
    /// starts elsewhere may be tokenized differently: each chunk is encoded again when it is complete.
    fn count_batch(&mut self, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        let batch = std::mem::take(&mut self.batch);
        let (Some((first, _)), Some((last, _))) = (batch.first(), batch.last()) else {
            return Ok(());
        };
        let all = self.tokenizer.tokens_with_ends(self.scanner.slice(first.start, last.end))?;
        let base = first.start;
        let mut all = all.into_iter().map(|(end, token)| (base + end as u64, token)).peekable();
        let mut tokens = Vec::new();
        for (position, (pre_token, boundary)) in batch.iter().enumerate() {
            let is_last = position + 1 == batch.len();
            tokens.clear();
            while let Some((_, token)) = all.next_if(|(end, _)| is_last || *end <= pre_token.end) {
                tokens.push(token);
            }
            let count = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
            self.route(Counted::new(pre_token, boundary, count), &tokens, chunks)?;
        }
        Ok(())
    }

    /// Passes a pre-token to the first of topics, parents and window. Only topics use `tokens`.
    fn route(
        &mut self,
        pre_token: Counted,
        tokens: &[u32],
        chunks: &mut Vec<Chunk>,
    ) -> Result<(), ChunkingError> {
        if let Some(topics) = &mut self.topics {
            topics.push(pre_token, tokens);
            return self.drain_topics(false, chunks);
        }
        if let Some(parents) = &mut self.parents {
            parents.window.push(pre_token);
            return if parents.window.fits() { Ok(()) } else { self.split_parents(false, chunks) };
        }
        self.push_pre_token(pre_token, chunks)
    }

    /// Adds a pre-token to the window.
    fn push_pre_token(&mut self, pre_token: Counted, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        self.window.push(pre_token);
        if self.window.fits() { Ok(()) } else { self.split_window(false, chunks) }
    }

    /// Makes chunks of everything so far; the text after it shares none of them.
    fn flush(&mut self, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        self.count_batch(chunks)?;
        self.drain_topics(true, chunks)?;
        self.split_parents(true, chunks)?;
        self.split_window(true, chunks)?;
        self.window.clear();
        Ok(())
    }

    /// As [`Self::flush`], except for the latest line, which begins the next chunk. Does nothing if a
    /// part of the line is in a chunk already.
    fn flush_before_line(&mut self, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        self.count_batch(chunks)?;
        if let Some(line) = self.window.take_line() {
            self.split_window(true, chunks)?;
            self.window.clear();
            for pre_token in line {
                self.push_pre_token(pre_token, chunks)?;
            }
        }
        Ok(())
    }

    /// Adds the sentences that are decided; a new topic begins a chunk, unless the one before is too small.
    fn drain_topics(&mut self, is_closing: bool, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        while let Some(topics) = &mut self.topics {
            let Some(sentence) = topics.next(is_closing) else {
                if is_closing {
                    topics.clear();
                }
                break;
            };
            let new_tokens = self.window.tokens(self.window.overlap_end, self.window.pre_tokens.len());
            if sentence.begins_topic
                && new_tokens + self.tokenizer.special_tokens() >= topics.min_chunk_size()
            {
                self.split_window(true, chunks)?;
                self.window.clear();
            }
            for pre_token in sentence.pre_tokens {
                self.push_pre_token(pre_token, chunks)?;
            }
        }
        Ok(())
    }

    /// Splits off parents, and each into its chunks.
    fn split_parents(&mut self, is_closing: bool, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        while let Some(parents) = &mut self.parents {
            let Some(split) = next_split(self.tokenizer, &self.scanner, &mut parents.window, is_closing)?
            else {
                break;
            };
            let pre_tokens = parents.window.removed.as_mut().map(std::mem::take).unwrap_or_default();
            let index = parents.next_index;
            parents.next_index += 1;
            self.split_parent(index, split, pre_tokens, chunks)?;
        }
        Ok(())
    }

    fn split_parent(
        &mut self,
        index: u32,
        split: Split,
        pre_tokens: Vec<Counted>,
        chunks: &mut Vec<Chunk>,
    ) -> Result<(), ChunkingError> {
        let (first_chunk, before) = (self.next_index, chunks.len());
        for pre_token in pre_tokens {
            self.push_pre_token(pre_token, chunks)?;
        }
        self.split_window(true, chunks)?;
        self.window.clear();
        let parent = ChunkParent {
            index,
            start_offset: split.start,
            end_offset: split.end,
            token_count: split.tokens + self.tokenizer.special_tokens(),
            first_chunk,
            chunk_count: self.next_index - first_chunk,
        };
        for chunk in &mut chunks[before..] {
            chunk.parent = Some(parent);
        }
        Ok(())
    }

    /// Splits off chunks until the window fits, or until only overlap is left if `is_closing`.
    fn split_window(&mut self, is_closing: bool, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        while let Some(split) = next_split(self.tokenizer, &self.scanner, &mut self.window, is_closing)? {
            let text = self.scanner.slice(split.start, split.end);
            let mut place = self.places.place(split.start, split.end, text);
            if let Some((first, last)) = self.lines.of(split.start, split.end, &self.scanner) {
                (place.first_line, place.last_line) = (Some(first), Some(last));
            }
            let (text, tokens) = self.header.put_before(text, split, self.tokenizer, &self.window)?;
            chunks.push(Chunk {
                index: self.next_index,
                text,
                start_offset: split.start,
                end_offset: split.end,
                token_count: tokens + self.tokenizer.special_tokens(),
                parent: None,
                place,
            });
            self.next_index += 1;
        }
        Ok(())
    }
}

impl Drop for Chunker<'_> {
    fn drop(&mut self) {
        if let Some(counts) = self.counts.take() {
            self.tokenizer.return_counts(counts);
        }
    }
}

#[cfg(test)]
mod tests;
