//! Detects changes of topic.
//!
//! Sentences are buffered until enough of the following text has been read to compare the breakpoint
//! before them with its neighbours. The buffer is bounded in sentences, tokens and bytes.

use std::collections::VecDeque;

use crate::boundary::SENTENCE;
use crate::static_vectors::{StaticVectors, cosine_distance};
use crate::strategy::SemanticConfig;
use crate::window::Counted;

/// Breakpoints before, and after, that a breakpoint is compared with.
const NEIGHBOURS: usize = 64;

/// Chunks' worth of text that is buffered at most, however long its sentences are.
const CHUNKS_AHEAD: u32 = 8;

/// A sentence for which it is decided whether a topic begins.
#[derive(Debug)]
pub(crate) struct Sentence {
    pub(crate) pre_tokens: Vec<Counted>,
    pub(crate) begins_topic: bool,
}

/// Finds the sentences that begin a new topic.
#[derive(Debug)]
pub(crate) struct Topics<'t> {
    vectors: &'t StaticVectors,
    config: SemanticConfig,
    max_tokens: u32,
    max_bytes: u64,
    /// The sentence that is being read.
    open: Vec<Counted>,
    open_sum: Vec<f32>,
    open_tokens: u32,
    /// Buffered sentences, the first one first; their breakpoints are the last ones of `breakpoints`.
    pending: VecDeque<Vec<Counted>>,
    pending_tokens: u32,
    /// The latest sentences and the breakpoints before them.
    breakpoints: VecDeque<Breakpoint>,
}

#[derive(Debug)]
struct Breakpoint {
    /// The vector of the sentence after it.
    sum: Vec<f32>,
    /// Cosine distance of the texts on both sides, once enough text is known.
    distance: Option<f32>,
    /// Whether a chunk may end here.
    is_allowed: bool,
}

impl<'t> Topics<'t> {
    /// `max_tokens` and `max_bytes` are those of a chunk.
    pub(crate) fn new(
        vectors: &'t StaticVectors,
        config: SemanticConfig,
        max_tokens: u32,
        max_bytes: u64,
    ) -> Self {
        Self {
            vectors,
            config,
            max_tokens,
            max_bytes,
            open: Vec::new(),
            open_sum: vectors.zero(),
            open_tokens: 0,
            pending: VecDeque::new(),
            pending_tokens: 0,
            breakpoints: VecDeque::new(),
        }
    }

    pub(crate) fn min_chunk_size(&self) -> u32 {
        self.config.min_chunk_size
    }

    /// The first buffered pre-token.
    pub(crate) fn first(&self) -> Option<&Counted> {
        self.pending.front().unwrap_or(&self.open).first()
    }

    /// Reads the next pre-token with its tokens.
    pub(crate) fn push(&mut self, pre_token: Counted, tokens: &[u32]) {
        let begins_sentence = pre_token.level >= SENTENCE && !pre_token.is_in_fence;
        let is_long = self.open_tokens >= self.max_tokens
            || self.open.first().is_some_and(|first| pre_token.end - first.start > self.max_bytes);
        if !self.open.is_empty() && (begins_sentence || is_long) {
            self.end_sentence();
        }
        self.vectors.add(tokens, &mut self.open_sum);
        self.open_tokens += pre_token.tokens;
        self.open.push(pre_token);
    }

    /// Returns the next sentence that is decided. With `is_last`, no text follows.
    pub(crate) fn next(&mut self, is_last: bool) -> Option<Sentence> {
        if is_last && !self.open.is_empty() {
            self.end_sentence();
        }
        let first = self.pending.front()?.first()?;
        let bytes = self.pending.back()?.last()?.end - first.start;
        let is_full = self.pending.len() > NEIGHBOURS + self.window()
            || self.pending_tokens > CHUNKS_AHEAD * self.max_tokens
            || bytes > u64::from(CHUNKS_AHEAD) * self.max_bytes;
        if !is_last && !is_full {
            return None;
        }
        if is_last || self.pending.len() <= self.window() {
            self.compute_missing_distances();
        }
        let here = self.breakpoints.len() - self.pending.len();
        let begins_topic = self.is_topic_start(here);
        let pre_tokens = self.pending.pop_front()?;
        self.pending_tokens -= pre_tokens.iter().map(|pre_token| pre_token.tokens).sum::<u32>();
        let before = self.breakpoints.len() - self.pending.len();
        self.breakpoints.drain(..before.saturating_sub(NEIGHBOURS.max(self.window())));
        Some(Sentence { pre_tokens, begins_topic })
    }

    /// Forgets the text so far, which is unrelated to the following text.
    pub(crate) fn clear(&mut self) {
        self.breakpoints.clear();
    }

    fn window(&self) -> usize {
        self.config.window_sentences as usize
    }

    fn end_sentence(&mut self) {
        let sum = std::mem::replace(&mut self.open_sum, self.vectors.zero());
        let pre_tokens = std::mem::take(&mut self.open);
        self.pending_tokens += std::mem::take(&mut self.open_tokens);
        let is_allowed =
            pre_tokens.first().is_some_and(|first| first.level >= SENTENCE && !first.is_in_fence);
        self.breakpoints.push_back(Breakpoint { sum, distance: None, is_allowed });
        self.pending.push_back(pre_tokens);
        // With this sentence, the breakpoint a window before it has all the text that it is compared by.
        if let Some(index) = self.breakpoints.len().checked_sub(self.window()) {
            self.compute_distance(index);
        }
    }

    /// Computes the distances of the latest breakpoints with as much text as there is.
    fn compute_missing_distances(&mut self) {
        for index in self.breakpoints.len().saturating_sub(self.window())..self.breakpoints.len() {
            self.compute_distance(index);
        }
    }

    fn compute_distance(&mut self, index: usize) {
        if index == 0 {
            return;
        }
        let window = self.window();
        let sum_of = |range: std::ops::Range<usize>| {
            let mut sum = self.vectors.zero();
            for breakpoint in self.breakpoints.range(range) {
                for (total, number) in sum.iter_mut().zip(&breakpoint.sum) {
                    *total += number;
                }
            }
            sum
        };
        let before = sum_of(index.saturating_sub(window)..index);
        let after = sum_of(index..(index + window).min(self.breakpoints.len()));
        self.breakpoints[index].distance = Some(cosine_distance(&before, &after));
    }

    /// Whether a topic begins here: the distance is a peak, and above the percentile of its neighbours.
    fn is_topic_start(&self, here: usize) -> bool {
        let Some(distance) = self.breakpoints[here].distance.filter(|_| self.breakpoints[here].is_allowed)
        else {
            return false;
        };
        if f64::from(distance) < 1.0 - self.config.similarity_threshold {
            return false;
        }
        let at = |index: usize| {
            self.breakpoints.get(index).and_then(|breakpoint| breakpoint.distance).unwrap_or(-1.0)
        };
        if here > 0 && at(here - 1) > distance || at(here + 1) > distance {
            return false;
        }
        let around = here.saturating_sub(NEIGHBOURS)..(here + NEIGHBOURS + 1).min(self.breakpoints.len());
        let mut distances: Vec<f32> =
            self.breakpoints.range(around).filter_map(|breakpoint| breakpoint.distance).collect();
        let rank = (distances.len() * self.config.breakpoint_percentile as usize).div_ceil(100);
        let (_, limit, _) =
            distances.select_nth_unstable_by(rank.saturating_sub(1), |one, other| one.total_cmp(other));
        distance >= *limit
    }
}
