//! The atoms of one chunk, and where it is cut.

use crate::atom::Atom;
use crate::boundary::{Boundary, GLUE, LINE, Level, PARAGRAPH, SECTION, SHALLOW_LINE, WORD};

/// The atoms of the chunk that is being filled.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) atoms: Vec<Placed>,
    /// The first atom that no chunk has yet; those before it are overlap.
    pub(crate) fresh: usize,
    /// Tokens of text that a chunk may have.
    pub(crate) max_tokens: u32,
    pub(crate) max_bytes: u64,
    pub(crate) overlap: u32,
    /// Index of the atom at the start of the latest line, if it is still here.
    pub(crate) line_start: Option<usize>,
    /// Tokens of all atoms.
    pub(crate) total: u32,
    /// The atoms that were let go of, where somebody goes on with them.
    pub(crate) taken: Option<Vec<Placed>>,
}

/// An atom with all that is known of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Where a chunk that starts with this atom starts.
    pub(crate) chunk_start: u64,
    pub(crate) tokens: u32,
    pub(crate) level: Level,
    pub(crate) is_in_fence: bool,
    pub(crate) is_line_start: bool,
    /// The line before turned out to be a heading of this level.
    pub(crate) raises_line_before: Option<Level>,
}

impl Placed {
    pub(crate) fn new(atom: &Atom, boundary: &Boundary, tokens: u32) -> Self {
        Self {
            start: atom.start,
            end: atom.end,
            chunk_start: chunk_start(atom, boundary),
            tokens,
            level: boundary.level,
            is_in_fence: boundary.is_in_fence,
            is_line_start: boundary.is_line_start,
            raises_line_before: boundary.raises_line_before,
        }
    }
}

/// What to do when the window is full.
pub(crate) enum Step {
    /// Make a chunk of the atoms before this one.
    Cut(usize),
    /// Give up overlap: start at this atom.
    Start(usize),
    /// The first atom may not fit alone.
    Tear,
}

pub(crate) fn chunk_start(atom: &Atom, boundary: &Boundary) -> u64 {
    atom.start - u64::from(boundary.indent_bytes)
}

impl Window {
    pub(crate) fn new(max_tokens: u32, max_bytes: u64, overlap: u32) -> Self {
        Self {
            atoms: Vec::new(),
            fresh: 0,
            max_tokens,
            max_bytes,
            overlap,
            line_start: None,
            total: 0,
            taken: None,
        }
    }

    pub(crate) fn push(&mut self, atom: Placed) {
        if let (Some(level), Some(line_start)) = (atom.raises_line_before, self.line_start) {
            let line = &mut self.atoms[line_start];
            line.level = line.level.max(level);
        }
        if atom.is_line_start {
            self.line_start = Some(self.atoms.len());
        }
        self.total += atom.tokens;
        self.atoms.push(atom);
    }

    /// Takes out the atoms of the latest line, if no chunk has any of them.
    pub(crate) fn take_line(&mut self) -> Option<Vec<Placed>> {
        let line_start = self.line_start.filter(|line_start| *line_start >= self.fresh)?;
        let line = self.atoms.split_off(line_start);
        self.total -= line.iter().map(|atom| atom.tokens).sum::<u32>();
        self.line_start = None;
        Some(line)
    }

    pub(crate) fn clear(&mut self) {
        self.start_at(self.atoms.len());
    }

    /// Lets go of the atoms before `start`.
    pub(crate) fn start_at(&mut self, start: usize) {
        let gone = self.atoms.drain(..start);
        self.total -= gone.as_slice().iter().map(|atom| atom.tokens).sum::<u32>();
        match &mut self.taken {
            Some(taken) => taken.extend(gone),
            None => drop(gone),
        }
        self.fresh = self.fresh.saturating_sub(start);
        self.line_start = self.line_start.and_then(|line_start| line_start.checked_sub(start));
    }

    /// Lets go of the first atom's part before `middle`.
    pub(crate) fn tear_first(&mut self, middle: u64, tokens: u32, rest_tokens: u32) {
        self.fresh = 0;
        if let Some(first) = self.atoms.first_mut() {
            if let Some(taken) = &mut self.taken {
                taken.push(Placed { end: middle, tokens, ..*first });
            }
            first.start = middle;
            first.chunk_start = middle;
            self.total = self.total - first.tokens + rest_tokens;
            first.tokens = rest_tokens;
        }
    }

    pub(crate) fn tokens(&self, start: usize, end: usize) -> u32 {
        self.atoms[start..end].iter().map(|atom| atom.tokens).sum()
    }

    pub(crate) fn span(&self, cut: usize) -> (u64, u64) {
        (self.atoms[0].chunk_start, self.atoms[cut - 1].end)
    }

    pub(crate) fn fits(&self) -> bool {
        let Some(last) = self.atoms.last() else {
            return true;
        };
        self.total <= self.max_tokens && last.end - self.atoms[0].chunk_start <= self.max_bytes
    }

    /// What comes next, with at most `budget` tokens in a chunk.
    pub(crate) fn next_step(&self, budget: u32) -> Step {
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
    pub(crate) fn cut(&mut self, cut: usize) {
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
