//! The streaming chunker.

use crate::atom::Atom;
use crate::boundary::{Boundaries, Boundary};
use crate::scanner::Scanner;
use crate::window::{Step, Window, chunk_start};
use crate::word_counts::WordCounts;
use crate::{ChunkingError, ChunkingParameters, ModelTokenizer};

/// How much text is taken in at a time, so that a large push needs no large buffer.
const PIECE_BYTES: usize = 64 * 1024;

/// Where tokens are not counted per word, this much is encoded at a time to find cuts.
const BATCH_BYTES: u64 = 2048;

/// One chunk of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Position in the document, from 0.
    pub index: u32,
    /// The document's text from `start_offset` to `end_offset`.
    pub text: String,
    /// In bytes of the document's UTF-8 text.
    pub start_offset: u64,
    /// In bytes, exclusive.
    pub end_offset: u64,
    /// What the model reads for the text, special tokens included. At most `chunk_size`.
    pub token_count: u32,
}

/// Turns one document's text into chunks.
#[derive(Debug)]
pub struct Chunker<'t> {
    tokenizer: &'t ModelTokenizer,
    counts: Option<WordCounts>,
    scanner: Scanner,
    boundaries: Boundaries,
    /// Atoms without token counts yet, where tokens are not counted per word.
    batch: Vec<(Atom, Boundary)>,
    window: Window,
    next_index: u32,
}

impl<'t> Chunker<'t> {
    /// Starts a document.
    ///
    /// # Errors
    /// [`ChunkingError::NoRoom`] where the model's special tokens fill the chunk.
    pub fn new(tokenizer: &'t ModelTokenizer, parameters: ChunkingParameters) -> Result<Self, ChunkingError> {
        let special = tokenizer.special_tokens();
        let max_tokens = parameters.chunk_size.saturating_sub(special);
        if max_tokens < 8 {
            return Err(ChunkingError::NoRoom { chunk_size: parameters.chunk_size, special });
        }
        let max_bytes = 32 * u64::from(parameters.chunk_size);
        // Half of it, so that an indented word of that length still fits.
        let max_word_bytes = 16 * parameters.chunk_size as usize;
        Ok(Self {
            tokenizer,
            counts: Some(tokenizer.take_counts()),
            scanner: Scanner::new(max_word_bytes, tokenizer.added_tokens()),
            boundaries: Boundaries::new(parameters.strategy),
            batch: Vec::new(),
            window: Window {
                atoms: Vec::new(),
                fresh: 0,
                max_tokens,
                max_bytes,
                overlap: parameters.chunk_overlap,
                line_start: None,
                total: 0,
            },
            next_index: 0,
        })
    }

    /// Reads the next text and returns the chunks that are known by now.
    ///
    /// # Errors
    /// [`ChunkingError::Tokenize`] where the tokenizer refuses the text.
    pub fn push(&mut self, text: &str) -> Result<Vec<Chunk>, ChunkingError> {
        let mut chunks = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(rest.ceil_char_boundary(PIECE_BYTES.min(rest.len())));
            self.scanner.push(piece);
            self.read_atoms(false, &mut chunks)?;
            rest = later;
        }
        Ok(chunks)
    }

    /// The end of the document: the last chunks.
    ///
    /// # Errors
    /// [`ChunkingError::Tokenize`] where the tokenizer refuses the text.
    pub fn finish(mut self) -> Result<Vec<Chunk>, ChunkingError> {
        let mut chunks = Vec::new();
        self.read_atoms(true, &mut chunks)?;
        self.close(&mut chunks)?;
        Ok(chunks)
    }

    fn read_atoms(&mut self, is_last: bool, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        while let Some(atom) = self.scanner.next(is_last) {
            if atom.gap.is_torn || atom.gap.bytes >= self.window.max_bytes {
                self.close(chunks)?;
            }
            let text = self.scanner.slice(atom.start, atom.end);
            let boundary = self.boundaries.next(&atom, text, self.scanner.peek(atom.start));
            if let (true, Some(counts)) = (self.tokenizer.counts_per_word(), &mut self.counts) {
                let tokens = self.tokenizer.count_atom(text, counts)?;
                self.window.push(&atom, &boundary, tokens);
                if !self.window.fits() {
                    self.settle(false, chunks)?;
                }
            } else {
                self.push_uncounted(atom, boundary, chunks)?;
            }
        }
        if self.scanner.open_gap_bytes() >= self.window.max_bytes {
            // No chunk can reach across, so nothing before it needs to be held any longer.
            self.close(chunks)?;
        }
        let needed = self.window.atoms.first().map(|atom| atom.chunk_start);
        let needed =
            needed.or_else(|| self.batch.first().map(|(atom, boundary)| chunk_start(atom, boundary)));
        self.scanner.release(needed);
        Ok(())
    }

    /// Collects atoms until there is enough to encode at once, cutting batches at white space
    /// where there is some.
    fn push_uncounted(
        &mut self,
        atom: Atom,
        boundary: Boundary,
        chunks: &mut Vec<Chunk>,
    ) -> Result<(), ChunkingError> {
        if let Some((first, _)) = self.batch.first() {
            let length = atom.end - first.start;
            if length > 4 * BATCH_BYTES || (length > BATCH_BYTES && atom.gap.bytes > 0) {
                self.count_batch(chunks)?;
            }
        }
        self.batch.push((atom, boundary));
        Ok(())
    }

    /// Gives each atom of the batch the tokens that end in it. An estimate, since a chunk that
    /// starts elsewhere may be read otherwise: each chunk is encoded again before it goes out.
    fn count_batch(&mut self, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        let batch = std::mem::take(&mut self.batch);
        let (Some((first, _)), Some((last, _))) = (batch.first(), batch.last()) else {
            return Ok(());
        };
        let ends = self.tokenizer.token_ends(self.scanner.slice(first.start, last.end))?;
        let base = first.start;
        let mut ends = ends.into_iter().map(|end| base + end as u64).peekable();
        for (position, (atom, boundary)) in batch.iter().enumerate() {
            let is_last = position + 1 == batch.len();
            let mut tokens = 0;
            while ends.next_if(|end| is_last || *end <= atom.end).is_some() {
                tokens += 1;
            }
            self.window.push(atom, boundary, tokens);
            if !self.window.fits() {
                self.settle(false, chunks)?;
            }
        }
        Ok(())
    }

    /// Makes chunks of all that is there; nothing after it will share one with it.
    fn close(&mut self, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        self.count_batch(chunks)?;
        self.settle(true, chunks)?;
        self.window.clear();
        Ok(())
    }

    /// Makes chunks until the window fits, or until nothing fresh is left when `is_closing`.
    fn settle(&mut self, is_closing: bool, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        let mut budget = self.window.max_tokens;
        loop {
            let is_whole = budget == self.window.max_tokens && self.window.fits();
            let step = match (is_whole, is_closing) {
                (true, false) => return Ok(()),
                (true, true) if self.window.fresh == self.window.atoms.len() => return Ok(()),
                (true, true) => Step::Cut(self.window.atoms.len()),
                (false, _) => self.window.next_step(budget),
            };
            match step {
                Step::Start(start) => {
                    self.window.start_at(start);
                    budget = self.window.max_tokens;
                }
                Step::Tear => {
                    self.tear_first(chunks)?;
                    budget = self.window.max_tokens;
                }
                Step::Cut(cut) => {
                    let estimate = self.window.tokens(0, cut);
                    let found = self.exact_tokens(cut)?;
                    if found <= self.window.max_tokens {
                        self.emit(cut, found, chunks);
                        self.window.cut(cut);
                        budget = self.window.max_tokens;
                    } else {
                        let excess = found - self.window.max_tokens;
                        budget = estimate.saturating_sub(excess).min(budget.saturating_sub(1));
                    }
                }
            }
        }
    }

    fn exact_tokens(&self, cut: usize) -> Result<u32, ChunkingError> {
        if self.tokenizer.counts_per_word() {
            return Ok(self.window.tokens(0, cut));
        }
        let (start, end) = self.window.span(cut);
        self.tokenizer.content_length(self.scanner.slice(start, end))
    }

    fn emit(&mut self, cut: usize, tokens: u32, chunks: &mut Vec<Chunk>) {
        let (start_offset, end_offset) = self.window.span(cut);
        self.emit_span(start_offset, end_offset, tokens, chunks);
    }

    fn emit_span(&mut self, start_offset: u64, end_offset: u64, tokens: u32, chunks: &mut Vec<Chunk>) {
        chunks.push(Chunk {
            index: self.next_index,
            text: self.scanner.slice(start_offset, end_offset).to_owned(),
            start_offset,
            end_offset,
            token_count: tokens + self.tokenizer.special_tokens(),
        });
        self.next_index += 1;
    }

    /// The first atom alone may be more than a chunk: takes as much of it as fits, and leaves the
    /// rest as an atom of its own.
    fn tear_first(&mut self, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        let max_tokens = self.window.max_tokens;
        let Some(first) = self.window.atoms.first().copied() else {
            return Ok(());
        };
        let text = self.scanner.slice(first.start, first.end);
        let length = self.tokenizer.longest_prefix(text, max_tokens)?;
        let tokens = self.tokenizer.content_length(&text[..length])?;
        if length == text.len() {
            self.emit_span(first.chunk_start, first.end, tokens, chunks);
            self.window.cut(1);
            return Ok(());
        }
        let rest_tokens = self.tokenizer.content_length(&text[length..])?;
        let middle = first.start + length as u64;
        self.emit_span(first.chunk_start, middle, tokens, chunks);
        self.window.tear_first(middle, rest_tokens);
        Ok(())
    }
}

impl Drop for Chunker<'_> {
    fn drop(&mut self) {
        if let Some(counts) = self.counts.take() {
            self.tokenizer.give_counts_back(counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::Strategy;

    #[test]
    fn what_is_held_does_not_grow_with_the_document() {
        let models = std::env::var_os("MODELS_DIR").map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.local/models")),
            PathBuf::from,
        );
        let tokenizer = ModelTokenizer::open(&models.join("all-MiniLM-L6-v2/tokenizer.json"))
            .unwrap_or_else(|error| panic!("{error}; run scripts/stack up, or set MODELS_DIR"));
        let pieces = [
            "A sentence of words. ",
            "nowhitespaceatall",
            " \n\t  \n",
            "```\n",
            "{\"a\":1,",
            "文字。",
            "\u{200B}",
        ];
        for strategy in [Strategy::Recursive, Strategy::Markdown, Strategy::Code] {
            for piece in pieces {
                let parameters = ChunkingParameters::new(strategy, 256, 51, 256).unwrap();
                let mut chunker = Chunker::new(&tokenizer, parameters).unwrap();
                let piece = piece.repeat(8_000);
                for _ in 0..8 {
                    chunker.push(&piece).unwrap();
                    let held = chunker.scanner.held_bytes();
                    assert!(held < 512 * 1024, "{held} bytes of {:?}", &piece[..6]);
                    let atoms = chunker.window.atoms.capacity();
                    assert!(atoms < 64 * 1024, "{atoms} atoms of {:?}", &piece[..6]);
                }
            }
        }
    }
}
