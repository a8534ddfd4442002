//! Where a text changes its subject.
//!
//! Sentences wait here until it is known whether a new subject begins with them: until enough of what
//! follows has been read to compare their place with those around it. What waits is bounded, in
//! sentences, tokens and bytes.

use std::collections::VecDeque;

use crate::boundary::SENTENCE;
use crate::static_vectors::{StaticVectors, cosine_distance};
use crate::strategy::SemanticConfig;
use crate::window::Placed;

/// A place is compared with so many before it, and with so many after it.
const REACH: usize = 64;

/// No more than so many chunks' worth of text waits, however long its sentences are.
const CHUNKS_AHEAD: u32 = 8;

/// A sentence on its way out.
#[derive(Debug)]
pub(crate) struct Sentence {
    pub(crate) atoms: Vec<Placed>,
    pub(crate) begins_topic: bool,
}

/// Finds the sentences that a new subject begins with.
#[derive(Debug)]
pub(crate) struct Topics<'t> {
    vectors: &'t StaticVectors,
    config: SemanticConfig,
    max_tokens: u32,
    max_bytes: u64,
    /// The sentence that is being read.
    open: Vec<Placed>,
    open_sum: Vec<f32>,
    open_tokens: u32,
    /// Sentences that wait, first come first; they are the last ones of `places`.
    waiting: VecDeque<Vec<Placed>>,
    waiting_tokens: u32,
    /// What is known of the latest sentences and the places before them.
    places: VecDeque<Place>,
}

#[derive(Debug)]
struct Place {
    /// The vector of the sentence after the place.
    sum: Vec<f32>,
    /// How far the texts on both sides are apart, once enough is there to tell.
    distance: Option<f32>,
    /// Whether a chunk may end here.
    is_possible: bool,
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
            open_sum: vectors.nothing(),
            open_tokens: 0,
            waiting: VecDeque::new(),
            waiting_tokens: 0,
            places: VecDeque::new(),
        }
    }

    pub(crate) fn min_chunk_size(&self) -> u32 {
        self.config.min_chunk_size
    }

    /// The first atom that waits.
    pub(crate) fn first(&self) -> Option<&Placed> {
        self.waiting.front().unwrap_or(&self.open).first()
    }

    /// Takes the next atom with its tokens in.
    pub(crate) fn push(&mut self, atom: Placed, tokens: &[u32]) {
        let begins_sentence = atom.level >= SENTENCE && !atom.is_in_fence;
        let is_long = self.open_tokens >= self.max_tokens
            || self.open.first().is_some_and(|first| atom.end - first.start > self.max_bytes);
        if !self.open.is_empty() && (begins_sentence || is_long) {
            self.end_sentence();
        }
        self.vectors.add(tokens, &mut self.open_sum);
        self.open_tokens += atom.tokens;
        self.open.push(atom);
    }

    /// A sentence that is decided on, if there is one. `is_last` says that no text follows.
    pub(crate) fn next(&mut self, is_last: bool) -> Option<Sentence> {
        if is_last && !self.open.is_empty() {
            self.end_sentence();
        }
        let first = self.waiting.front()?.first()?;
        let bytes = self.waiting.back()?.last()?.end - first.start;
        let is_crowded = self.waiting.len() > REACH + self.window()
            || self.waiting_tokens > CHUNKS_AHEAD * self.max_tokens
            || bytes > u64::from(CHUNKS_AHEAD) * self.max_bytes;
        if !is_last && !is_crowded {
            return None;
        }
        if is_last || self.waiting.len() <= self.window() {
            self.measure_all();
        }
        let here = self.places.len() - self.waiting.len();
        let begins_topic = self.is_turn(here);
        let atoms = self.waiting.pop_front()?;
        self.waiting_tokens -= atoms.iter().map(|atom| atom.tokens).sum::<u32>();
        let before = self.places.len() - self.waiting.len();
        self.places.drain(..before.saturating_sub(REACH.max(self.window())));
        Some(Sentence { atoms, begins_topic })
    }

    /// Forgets what was read: what follows has nothing to do with it.
    pub(crate) fn clear(&mut self) {
        self.places.clear();
    }

    fn window(&self) -> usize {
        self.config.window_sentences as usize
    }

    fn end_sentence(&mut self) {
        let sum = std::mem::replace(&mut self.open_sum, self.vectors.nothing());
        let atoms = std::mem::take(&mut self.open);
        self.waiting_tokens += std::mem::take(&mut self.open_tokens);
        let is_possible = atoms.first().is_some_and(|first| first.level >= SENTENCE && !first.is_in_fence);
        self.places.push_back(Place { sum, distance: None, is_possible });
        self.waiting.push_back(atoms);
        // With this sentence the place that is as many before it as are compared has all it needs.
        if let Some(place) = self.places.len().checked_sub(self.window()) {
            self.measure(place);
        }
    }

    /// Measures what has not been yet, with as much as there is.
    fn measure_all(&mut self) {
        for place in self.places.len().saturating_sub(self.window())..self.places.len() {
            self.measure(place);
        }
    }

    fn measure(&mut self, place: usize) {
        if place == 0 {
            return;
        }
        let window = self.window();
        let sum_of = |places: std::ops::Range<usize>| {
            let mut sum = self.vectors.nothing();
            for place in self.places.range(places) {
                for (total, number) in sum.iter_mut().zip(&place.sum) {
                    *total += number;
                }
            }
            sum
        };
        let before = sum_of(place.saturating_sub(window)..place);
        let after = sum_of(place..(place + window).min(self.places.len()));
        self.places[place].distance = Some(cosine_distance(&before, &after));
    }

    /// Whether a new subject begins at a place: it is a peak, and further apart than most around it.
    fn is_turn(&self, here: usize) -> bool {
        let Some(distance) = self.places[here].distance.filter(|_| self.places[here].is_possible) else {
            return false;
        };
        if f64::from(distance) < 1.0 - self.config.similarity_threshold {
            return false;
        }
        let at = |place: usize| self.places.get(place).and_then(|place| place.distance).unwrap_or(-1.0);
        if here > 0 && at(here - 1) > distance || at(here + 1) > distance {
            return false;
        }
        let around = here.saturating_sub(REACH)..(here + REACH + 1).min(self.places.len());
        let mut distances: Vec<f32> = self.places.range(around).filter_map(|place| place.distance).collect();
        let rank = (distances.len() * self.config.breakpoint_percentile as usize).div_ceil(100);
        let (_, limit, _) =
            distances.select_nth_unstable_by(rank.saturating_sub(1), |one, other| one.total_cmp(other));
        distance >= *limit
    }
}
