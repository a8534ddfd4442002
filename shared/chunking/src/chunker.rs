//! The streaming chunker.

use domain::ChunkParent;

use crate::atom::Atom;
use crate::boundary::{Boundaries, Boundary};
use crate::cutting::{Piece, next_piece};
use crate::scanner::Scanner;
use crate::static_vectors::StaticVectors;
use crate::topics::Topics;
use crate::window::{Placed, Window, chunk_start};
use crate::word_counts::WordCounts;
use crate::word_tokens::WordTokens;
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
    /// The passage that it was cut out of, where the strategy makes such.
    pub parent: Option<ChunkParent>,
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
    /// Where subjects change, if chunks end there.
    topics: Option<Topics<'t>>,
    /// The tokens of words, if subjects are looked for.
    word_tokens: WordTokens,
    /// What the window's atoms are cut out of, if they are.
    parents: Option<Parents>,
    window: Window,
    next_index: u32,
}

/// Passages that chunks are cut out of.
#[derive(Debug)]
struct Parents {
    window: Window,
    next_index: u32,
}

impl<'t> Chunker<'t> {
    /// Starts a document. `vectors` are only asked for by strategies that need them.
    ///
    /// # Errors
    /// [`ChunkingError::NoRoom`] where the model's special tokens fill the chunk,
    /// [`ChunkingError::NoStaticVectors`] where vectors are needed and not there.
    pub fn new(
        tokenizer: &'t ModelTokenizer,
        vectors: Option<&'t StaticVectors>,
        parameters: ChunkingParameters,
    ) -> Result<Self, ChunkingError> {
        let special = tokenizer.special_tokens();
        let max_tokens = parameters.chunk_size.saturating_sub(special);
        if max_tokens < 8 {
            return Err(ChunkingError::NoRoom { chunk_size: parameters.chunk_size, special });
        }
        let max_bytes = 32 * u64::from(parameters.chunk_size);
        // Half of it, so that an indented word of that length still fits.
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
            window.taken = Some(Vec::new());
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
            window: Window::new(max_tokens, max_bytes, parameters.chunk_overlap),
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
            if boundary.begins_section {
                self.close(chunks)?;
            } else if boundary.line_before_begins_section {
                self.close_before_line(chunks)?;
            }
            self.read_atom(atom, boundary, chunks)?;
        }
        if self.scanner.open_gap_bytes() >= self.window.max_bytes {
            // No chunk can reach across, so nothing before it needs to be held any longer.
            self.close(chunks)?;
        }
        self.scanner.release(self.first_needed());
        Ok(())
    }

    fn read_atom(
        &mut self,
        atom: Atom,
        boundary: Boundary,
        chunks: &mut Vec<Chunk>,
    ) -> Result<(), ChunkingError> {
        let (true, Some(counts)) = (self.tokenizer.counts_per_word(), &mut self.counts) else {
            return self.push_uncounted(atom, boundary, chunks);
        };
        let text = self.scanner.slice(atom.start, atom.end);
        if self.topics.is_some() {
            let tokens = self.tokenizer.atom_tokens(text, &mut self.word_tokens)?;
            let count = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
            return self.place(Placed::new(&atom, &boundary, count), &tokens, chunks);
        }
        let count = self.tokenizer.count_atom(text, counts)?;
        self.place(Placed::new(&atom, &boundary, count), &[], chunks)
    }

    /// Where the first text starts that is still to go into a chunk.
    fn first_needed(&self) -> Option<u64> {
        let placed = [
            self.window.atoms.first(),
            self.topics.as_ref().and_then(Topics::first),
            self.parents.as_ref().and_then(|parents| parents.window.atoms.first()),
        ];
        let placed = placed.into_iter().flatten().map(|atom| atom.chunk_start);
        let batch = self.batch.first().map(|(atom, boundary)| chunk_start(atom, boundary));
        placed.chain(batch).min()
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
        let all = self.tokenizer.tokens_with_ends(self.scanner.slice(first.start, last.end))?;
        let base = first.start;
        let mut all = all.into_iter().map(|(end, token)| (base + end as u64, token)).peekable();
        let mut tokens = Vec::new();
        for (position, (atom, boundary)) in batch.iter().enumerate() {
            let is_last = position + 1 == batch.len();
            tokens.clear();
            while let Some((_, token)) = all.next_if(|(end, _)| is_last || *end <= atom.end) {
                tokens.push(token);
            }
            let count = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
            self.place(Placed::new(atom, boundary, count), &tokens, chunks)?;
        }
        Ok(())
    }

    /// Puts an atom where it goes first. Its tokens are asked for where subjects are looked for.
    fn place(&mut self, atom: Placed, tokens: &[u32], chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        if let Some(topics) = &mut self.topics {
            topics.push(atom, tokens);
            return self.settle_topics(false, chunks);
        }
        if let Some(parents) = &mut self.parents {
            parents.window.push(atom);
            return if parents.window.fits() { Ok(()) } else { self.settle_parents(false, chunks) };
        }
        self.push_atom(atom, chunks)
    }

    /// Puts an atom into the chunk that is being filled.
    fn push_atom(&mut self, atom: Placed, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        self.window.push(atom);
        if self.window.fits() { Ok(()) } else { self.settle(false, chunks) }
    }

    /// Makes chunks of all that is there; nothing after it will share one with it.
    fn close(&mut self, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        self.count_batch(chunks)?;
        self.settle_topics(true, chunks)?;
        self.settle_parents(true, chunks)?;
        self.settle(true, chunks)?;
        self.window.clear();
        Ok(())
    }

    /// The same but for the latest line, which begins what follows. If some of it is in a chunk
    /// already, it is too late.
    fn close_before_line(&mut self, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        self.count_batch(chunks)?;
        if let Some(line) = self.window.take_line() {
            self.settle(true, chunks)?;
            self.window.clear();
            for atom in line {
                self.push_atom(atom, chunks)?;
            }
        }
        Ok(())
    }

    /// Takes the sentences that are decided on; a new subject begins a chunk, unless the one before
    /// is too small.
    fn settle_topics(&mut self, is_closing: bool, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        while let Some(topics) = &mut self.topics {
            let Some(sentence) = topics.next(is_closing) else {
                if is_closing {
                    topics.clear();
                }
                break;
            };
            let fresh = self.window.tokens(self.window.fresh, self.window.atoms.len());
            if sentence.begins_topic && fresh + self.tokenizer.special_tokens() >= topics.min_chunk_size() {
                self.settle(true, chunks)?;
                self.window.clear();
            }
            for atom in sentence.atoms {
                self.push_atom(atom, chunks)?;
            }
        }
        Ok(())
    }

    /// Cuts parents, and each into its chunks.
    fn settle_parents(&mut self, is_closing: bool, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        while let Some(parents) = &mut self.parents {
            let Some(piece) = next_piece(self.tokenizer, &self.scanner, &mut parents.window, is_closing)?
            else {
                break;
            };
            let atoms = parents.window.taken.as_mut().map(std::mem::take).unwrap_or_default();
            let index = parents.next_index;
            parents.next_index += 1;
            self.cut_parent(index, piece, atoms, chunks)?;
        }
        Ok(())
    }

    fn cut_parent(
        &mut self,
        index: u32,
        piece: Piece,
        atoms: Vec<Placed>,
        chunks: &mut Vec<Chunk>,
    ) -> Result<(), ChunkingError> {
        let (first_chunk, before) = (self.next_index, chunks.len());
        for atom in atoms {
            self.push_atom(atom, chunks)?;
        }
        self.settle(true, chunks)?;
        self.window.clear();
        let parent = ChunkParent {
            index,
            start_offset: piece.start,
            end_offset: piece.end,
            token_count: piece.tokens + self.tokenizer.special_tokens(),
            first_chunk,
            chunk_count: self.next_index - first_chunk,
        };
        for chunk in &mut chunks[before..] {
            chunk.parent = Some(parent);
        }
        Ok(())
    }

    /// Makes chunks until the window fits, or until nothing fresh is left when `is_closing`.
    fn settle(&mut self, is_closing: bool, chunks: &mut Vec<Chunk>) -> Result<(), ChunkingError> {
        while let Some(piece) = next_piece(self.tokenizer, &self.scanner, &mut self.window, is_closing)? {
            chunks.push(Chunk {
                index: self.next_index,
                text: self.scanner.slice(piece.start, piece.end).to_owned(),
                start_offset: piece.start,
                end_offset: piece.end,
                token_count: piece.tokens + self.tokenizer.special_tokens(),
                parent: None,
            });
            self.next_index += 1;
        }
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
    use crate::{Layout, Strategy};

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
        let vectors = StaticVectors::open(&models.join("all-MiniLM-L6-v2/static.safetensors")).unwrap();
        let chunks = domain::ChunkSettings { chunk_size: 256, chunk_overlap: 51 };
        for definition in &crate::STRATEGIES {
            let strategy = Strategy::read(definition.name, &serde_json::Map::new(), chunks).unwrap();
            for (piece, layout) in pieces.iter().flat_map(|piece| Layout::ALL.map(|layout| (piece, layout))) {
                let parameters = ChunkingParameters::new(strategy, layout, 256, 51, 256).unwrap();
                let mut chunker = Chunker::new(&tokenizer, Some(&vectors), parameters).unwrap();
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
