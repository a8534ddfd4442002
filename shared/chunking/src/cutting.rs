//! Cutting a window, with the exact counts that a cut needs.

use crate::scanner::Scanner;
use crate::window::{Step, Window};
use crate::{ChunkingError, ModelTokenizer};

/// What was cut off a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Without special tokens.
    pub(crate) tokens: u32,
}

/// The next piece of a window that is too full, or of any that `is_closing` says to empty.
pub(crate) fn next_piece(
    tokenizer: &ModelTokenizer,
    scanner: &Scanner,
    window: &mut Window,
    is_closing: bool,
) -> Result<Option<Piece>, ChunkingError> {
    let mut budget = window.max_tokens;
    loop {
        let is_whole = budget == window.max_tokens && window.fits();
        let step = match (is_whole, is_closing) {
            (true, false) => return Ok(None),
            (true, true) if window.fresh == window.atoms.len() => return Ok(None),
            (true, true) => Step::Cut(window.atoms.len()),
            (false, _) => window.next_step(budget),
        };
        match step {
            Step::Start(start) => {
                window.start_at(start);
                budget = window.max_tokens;
            }
            Step::Tear => return tear_first(tokenizer, scanner, window).map(Some),
            Step::Cut(cut) => {
                let estimate = window.tokens(0, cut);
                let (start, end) = window.span(cut);
                let tokens = if tokenizer.counts_per_word() {
                    estimate
                } else {
                    tokenizer.content_length(scanner.slice(start, end))?
                };
                if tokens <= window.max_tokens {
                    window.cut(cut);
                    return Ok(Some(Piece { start, end, tokens }));
                }
                let excess = tokens - window.max_tokens;
                budget = estimate.saturating_sub(excess).min(budget.saturating_sub(1));
            }
        }
    }
}

/// The first atom alone may be more than fits: takes as much of it as does, and leaves the rest as an
/// atom of its own.
fn tear_first(
    tokenizer: &ModelTokenizer,
    scanner: &Scanner,
    window: &mut Window,
) -> Result<Piece, ChunkingError> {
    let first = window.atoms[0];
    let text = scanner.slice(first.start, first.end);
    let length = tokenizer.longest_prefix(text, window.max_tokens)?;
    let tokens = tokenizer.content_length(&text[..length])?;
    let end = first.start + length as u64;
    if length == text.len() {
        window.cut(1);
    } else {
        let rest_tokens = tokenizer.content_length(&text[length..])?;
        window.tear_first(end, tokens, rest_tokens);
    }
    Ok(Piece { start: first.chunk_start, end, tokens })
}
