//! The pre-tokens of the next chunk, and where it is split.

use crate::boundary::{Boundary, INSIDE_WORD, LINE, Level, PARAGRAPH, SECTION, SHALLOW_LINE, WORD};
use crate::pre_token::PreToken;

/// The pre-tokens of the chunk that is being filled.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) pre_tokens: Vec<Counted>,
    /// Index of the first pre-token in no chunk yet; those before it are overlap.
    pub(crate) overlap_end: usize,
    /// Maximum tokens of a chunk, without special tokens.
    pub(crate) max_tokens: u32,
    pub(crate) max_bytes: u64,
    pub(crate) overlap: u32,
    /// Index of the pre-token at the start of the latest line, if the window has it.
    pub(crate) line_start: Option<usize>,
    /// Tokens of all pre-tokens.
    pub(crate) total: u32,
    /// Collects removed pre-tokens, if they are used further.
    pub(crate) removed: Option<Vec<Counted>>,
}

/// A pre-token with its token count and the boundary before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// The start of a chunk that begins with this pre-token, which includes its indentation.
    pub(crate) chunk_start: u64,
    pub(crate) tokens: u32,
    pub(crate) level: Level,
    pub(crate) is_in_fence: bool,
    pub(crate) is_line_start: bool,
    /// The line before turned out to be a heading of this level.
    pub(crate) raises_line_before: Option<Level>,
}

impl Counted {
    pub(crate) fn new(pre_token: &PreToken, boundary: &Boundary, tokens: u32) -> Self {
        Self {
            start: pre_token.start,
            end: pre_token.end,
            chunk_start: chunk_start(pre_token, boundary),
            tokens,
            level: boundary.level,
            is_in_fence: boundary.is_in_fence,
            is_line_start: boundary.is_line_start,
            raises_line_before: boundary.raises_line_before,
        }
    }
}

/// What to do with a full window.
pub(crate) enum Step {
    /// Split a chunk off before this pre-token.
    Split(usize),
    /// Drop overlap: start at this pre-token.
    Start(usize),
    /// The first pre-token may not fit alone.
    BreakWord,
}

pub(crate) fn chunk_start(pre_token: &PreToken, boundary: &Boundary) -> u64 {
    pre_token.start - u64::from(boundary.indent_bytes)
}

impl Window {
    pub(crate) fn new(max_tokens: u32, max_bytes: u64, overlap: u32) -> Self {
        Self {
            pre_tokens: Vec::new(),
            overlap_end: 0,
            max_tokens,
            max_bytes,
            overlap,
            line_start: None,
            total: 0,
            removed: None,
        }
    }

    pub(crate) fn push(&mut self, pre_token: Counted) {
        if let (Some(level), Some(line_start)) = (pre_token.raises_line_before, self.line_start) {
            let line = &mut self.pre_tokens[line_start];
            line.level = line.level.max(level);
        }
        if pre_token.is_line_start {
            self.line_start = Some(self.pre_tokens.len());
        }
        self.total += pre_token.tokens;
        self.pre_tokens.push(pre_token);
    }

    /// Removes and returns the pre-tokens of the latest line, unless some of them are in a chunk.
    pub(crate) fn take_line(&mut self) -> Option<Vec<Counted>> {
        let line_start = self.line_start.filter(|line_start| *line_start >= self.overlap_end)?;
        let line = self.pre_tokens.split_off(line_start);
        self.total -= line.iter().map(|pre_token| pre_token.tokens).sum::<u32>();
        self.line_start = None;
        Some(line)
    }

    pub(crate) fn clear(&mut self) {
        self.start_at(self.pre_tokens.len());
    }

    /// Removes the pre-tokens before `start`.
    pub(crate) fn start_at(&mut self, start: usize) {
        let gone = self.pre_tokens.drain(..start);
        self.total -= gone.as_slice().iter().map(|pre_token| pre_token.tokens).sum::<u32>();
        match &mut self.removed {
            Some(removed) => removed.extend(gone),
            None => drop(gone),
        }
        self.overlap_end = self.overlap_end.saturating_sub(start);
        self.line_start = self.line_start.and_then(|line_start| line_start.checked_sub(start));
    }

    /// Removes the part of the first pre-token before `middle`.
    pub(crate) fn break_first_word(&mut self, middle: u64, tokens: u32, rest_tokens: u32) {
        self.overlap_end = 0;
        if let Some(first) = self.pre_tokens.first_mut() {
            if let Some(removed) = &mut self.removed {
                removed.push(Counted { end: middle, tokens, ..*first });
            }
            first.start = middle;
            first.chunk_start = middle;
            self.total = self.total - first.tokens + rest_tokens;
            first.tokens = rest_tokens;
        }
    }

    pub(crate) fn tokens(&self, start: usize, end: usize) -> u32 {
        self.pre_tokens[start..end].iter().map(|pre_token| pre_token.tokens).sum()
    }

    pub(crate) fn span(&self, split: usize) -> (u64, u64) {
        (self.pre_tokens[0].chunk_start, self.pre_tokens[split - 1].end)
    }

    pub(crate) fn fits(&self) -> bool {
        let Some(last) = self.pre_tokens.last() else {
            return true;
        };
        self.total <= self.max_tokens && last.end - self.pre_tokens[0].chunk_start <= self.max_bytes
    }

    /// Decides the next step for a chunk of at most `budget` tokens.
    pub(crate) fn next_step(&self, budget: u32) -> Step {
        let usable = self.usable(budget);
        if let Some(split) =
            self.best_split(usable, |pre_token| pre_token.level > INSIDE_WORD && !pre_token.is_in_fence)
        {
            return Step::Split(split);
        }
        if self.overlap_end > 0 {
            let start = (1..self.overlap_end).find(|start| {
                let pre_token = &self.pre_tokens[*start];
                pre_token.level > INSIDE_WORD && !pre_token.is_in_fence
            });
            return Step::Start(start.unwrap_or(self.overlap_end));
        }
        self.best_split(usable, |pre_token| pre_token.level > INSIDE_WORD)
            .or_else(|| self.best_split(usable, |_| true))
            .map_or(Step::BreakWord, Step::Split)
    }

    /// Index of the last pre-token before which the chunk may end.
    fn usable(&self, budget: u32) -> usize {
        let mut tokens = 0;
        let mut usable = 0;
        for (position, pre_token) in self.pre_tokens.iter().enumerate() {
            tokens += pre_token.tokens;
            if tokens > budget || pre_token.end - self.pre_tokens[0].chunk_start > self.max_bytes {
                break;
            }
            usable = position + 1;
        }
        usable.min(self.pre_tokens.len().saturating_sub(1))
    }

    /// Index of the last pre-token whose boundary has the highest level, among those that leave the chunk
    /// full enough for that level.
    fn best_split(&self, usable: usize, may_split: impl Fn(&Counted) -> bool) -> Option<usize> {
        let room = self.max_tokens.saturating_sub(self.tokens(0, self.overlap_end));
        let mut filled = if usable > self.overlap_end { self.tokens(self.overlap_end, usable) } else { 0 };
        let mut best: Option<(Level, usize)> = None;
        for split in (self.overlap_end + 1..=usable).rev() {
            let pre_token = &self.pre_tokens[split];
            let is_full_enough =
                u64::from(filled) * 100 >= u64::from(room) * min_fill_percent(pre_token.level);
            if may_split(pre_token) {
                let strength = if is_full_enough { pre_token.level } else { pre_token.level.min(WORD) };
                if best.is_none_or(|(level, _)| strength > level) {
                    best = Some((strength, split));
                }
            }
            filled -= self.pre_tokens[split - 1].tokens;
        }
        best.map(|(_, split)| split)
    }

    /// Removes the pre-tokens of a finished chunk, except for the overlap.
    pub(crate) fn remove_chunk(&mut self, split: usize) {
        let start = if split == self.pre_tokens.len() { split } else { self.overlap_start(split) };
        self.start_at(start);
        self.overlap_end = split - start;
    }

    fn overlap_start(&self, split: usize) -> usize {
        if self.overlap == 0 {
            return split;
        }
        let (allows_inside_word, allows_fence) =
            (self.pre_tokens[split].level == INSIDE_WORD, self.pre_tokens[split].is_in_fence);
        let mut tokens: u32 = 0;
        let mut farthest = None;
        // A better boundary is worth up to a quarter of the overlap.
        let mut best: Option<(Level, usize)> = None;
        for start in (1..split).rev() {
            let pre_token = &self.pre_tokens[start];
            tokens += pre_token.tokens;
            let may_start = (pre_token.level > INSIDE_WORD || allows_inside_word)
                && (!pre_token.is_in_fence || allows_fence);
            if tokens > self.overlap {
                // One word is repeated even if it exceeds the overlap.
                let is_small = tokens <= self.max_tokens / 2;
                if farthest.is_some() || !is_small || may_start {
                    farthest = farthest.or((may_start && is_small).then_some(start));
                    break;
                }
            } else if may_start {
                farthest = Some(start);
                if tokens * 4 >= self.overlap * 3 && best.is_none_or(|(level, _)| pre_token.level >= level) {
                    best = Some((pre_token.level, start));
                }
            }
        }
        best.map(|(_, start)| start).or(farthest).unwrap_or(split)
    }
}

/// How full, in percent, a chunk must be to end at a boundary of this level although more text would
/// fit.
fn min_fill_percent(level: Level) -> u64 {
    match level {
        INSIDE_WORD | WORD => 0,
        LINE => 75,
        SHALLOW_LINE => 60,
        SECTION.. => 25,
        _ if level <= PARAGRAPH => 50,
        _ => 0,
    }
}
