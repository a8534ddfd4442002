//! The streaming chunker.

use crate::atom::Atom;
use crate::boundary::{Boundaries, Boundary, GLUE, LINE, Level, PARAGRAPH, SECTION, SHALLOW_LINE, WORD};
use crate::scanner::Scanner;
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

/// The atoms of the chunk that is being filled.
#[derive(Debug)]
struct Window {
    atoms: Vec<Placed>,
    /// The first atom that no chunk has yet; those before it are overlap.
    fresh: usize,
    /// Tokens of text that a chunk may have.
    max_tokens: u32,
    max_bytes: u64,
    overlap: u32,
    /// Index of the atom at the start of the latest line, if it is still here.
    line_start: Option<usize>,
    /// Tokens of all atoms.
    total: u32,
}

#[derive(Debug, Clone, Copy)]
struct Placed {
    start: u64,
    end: u64,
    /// Where a chunk that starts with this atom starts.
    chunk_start: u64,
    tokens: u32,
    level: Level,
    is_in_fence: bool,
}

/// What to do when the window is full.
enum Step {
    /// Make a chunk of the atoms before this one.
    Cut(usize),
    /// Give up overlap: start at this atom.
    Start(usize),
    /// The first atom may not fit alone.
    Tear,
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

fn chunk_start(atom: &Atom, boundary: &Boundary) -> u64 {
    atom.start - u64::from(boundary.indent_bytes)
}

impl Window {
    fn push(&mut self, atom: &Atom, boundary: &Boundary, tokens: u32) {
        if let (Some(level), Some(line_start)) = (boundary.raises_line_before, self.line_start) {
            let line = &mut self.atoms[line_start];
            line.level = line.level.max(level);
        }
        if boundary.is_line_start {
            self.line_start = Some(self.atoms.len());
        }
        self.total += tokens;
        self.atoms.push(Placed {
            start: atom.start,
            end: atom.end,
            chunk_start: chunk_start(atom, boundary),
            tokens,
            level: boundary.level,
            is_in_fence: boundary.is_in_fence,
        });
    }

    fn clear(&mut self) {
        self.start_at(self.atoms.len());
    }

    /// Lets go of the atoms before `start`.
    fn start_at(&mut self, start: usize) {
        self.total -= self.atoms.drain(..start).map(|atom| atom.tokens).sum::<u32>();
        self.fresh = self.fresh.saturating_sub(start);
        self.line_start = self.line_start.and_then(|line_start| line_start.checked_sub(start));
    }

    fn tear_first(&mut self, middle: u64, rest_tokens: u32) {
        self.fresh = 0;
        if let Some(first) = self.atoms.first_mut() {
            first.start = middle;
            first.chunk_start = middle;
            self.total = self.total - first.tokens + rest_tokens;
            first.tokens = rest_tokens;
        }
    }

    fn tokens(&self, start: usize, end: usize) -> u32 {
        self.atoms[start..end].iter().map(|atom| atom.tokens).sum()
    }

    fn span(&self, cut: usize) -> (u64, u64) {
        (self.atoms[0].chunk_start, self.atoms[cut - 1].end)
    }

    fn fits(&self) -> bool {
        let Some(last) = self.atoms.last() else {
            return true;
        };
        self.total <= self.max_tokens && last.end - self.atoms[0].chunk_start <= self.max_bytes
    }

    /// What comes next, with at most `budget` tokens in a chunk.
    fn next_step(&self, budget: u32) -> Step {
        let usable = self.usable(budget);
        if let Some(cut) = self.best_cut(usable, |atom| atom.level > GLUE && !atom.is_in_fence) {
            return Step::Cut(cut);
        }
        if self.fresh > 0 {
            let start = (1..self.fresh).find(|start| {
                let atom = &self.atoms[*start];
                atom.level > GLUE && !atom.is_in_fence
            });
            return Step::Start(start.unwrap_or(self.fresh));
        }
        self.best_cut(usable, |atom| atom.level > GLUE)
            .or_else(|| self.best_cut(usable, |_| true))
            .map_or(Step::Tear, Step::Cut)
    }

    /// The last atom before which a chunk from the first atom on may end.
    fn usable(&self, budget: u32) -> usize {
        let mut tokens = 0;
        let mut usable = 0;
        for (position, atom) in self.atoms.iter().enumerate() {
            tokens += atom.tokens;
            if tokens > budget || atom.end - self.atoms[0].chunk_start > self.max_bytes {
                break;
            }
            usable = position + 1;
        }
        usable.min(self.atoms.len().saturating_sub(1))
    }

    /// The strongest place that leaves the chunk full enough for its strength; the last of these.
    fn best_cut(&self, usable: usize, may_cut: impl Fn(&Placed) -> bool) -> Option<usize> {
        let room = self.max_tokens.saturating_sub(self.tokens(0, self.fresh));
        let mut filled = if usable > self.fresh { self.tokens(self.fresh, usable) } else { 0 };
        let mut best: Option<(Level, usize)> = None;
        for cut in (self.fresh + 1..=usable).rev() {
            let atom = &self.atoms[cut];
            let is_full_enough = u64::from(filled) * 100 >= u64::from(room) * min_fill_percent(atom.level);
            if may_cut(atom) {
                let strength = if is_full_enough { atom.level } else { atom.level.min(WORD) };
                if best.is_none_or(|(level, _)| strength > level) {
                    best = Some((strength, cut));
                }
            }
            filled -= self.atoms[cut - 1].tokens;
        }
        best.map(|(_, cut)| cut)
    }

    /// Lets go of the atoms of a chunk that was made, but for the overlap.
    fn cut(&mut self, cut: usize) {
        let start = if cut == self.atoms.len() { cut } else { self.overlap_start(cut) };
        self.start_at(start);
        self.fresh = cut - start;
    }

    fn overlap_start(&self, cut: usize) -> usize {
        if self.overlap == 0 {
            return cut;
        }
        let (allows_glue, allows_fence) = (self.atoms[cut].level == GLUE, self.atoms[cut].is_in_fence);
        let mut tokens: u32 = 0;
        let mut farthest = None;
        // A place that reads better is worth up to a quarter of the overlap.
        let mut best: Option<(Level, usize)> = None;
        for start in (1..cut).rev() {
            let atom = &self.atoms[start];
            tokens += atom.tokens;
            let may_start = (atom.level > GLUE || allows_glue) && (!atom.is_in_fence || allows_fence);
            if tokens > self.overlap {
                // One word is repeated even where it alone is more than was asked for.
                let is_small = tokens <= self.max_tokens / 2;
                if farthest.is_some() || !is_small || may_start {
                    farthest = farthest.or((may_start && is_small).then_some(start));
                    break;
                }
            } else if may_start {
                farthest = Some(start);
                if tokens * 4 >= self.overlap * 3 && best.is_none_or(|(level, _)| atom.level >= level) {
                    best = Some((atom.level, start));
                }
            }
        }
        best.map(|(_, start)| start).or(farthest).unwrap_or(cut)
    }
}

/// How full, in percent, a chunk must be to end at a place of this strength when text that would
/// still fit comes after it.
fn min_fill_percent(level: Level) -> u64 {
    match level {
        GLUE | WORD => 0,
        LINE => 75,
        SHALLOW_LINE => 60,
        SECTION.. => 25,
        _ if level <= PARAGRAPH => 50,
        _ => 0,
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
