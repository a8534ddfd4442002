//! Splits a full window, with the exact token counts that this needs.

use crate::scanner::Scanner;
use crate::window::{Step, Window};
use crate::{ChunkingError, ModelTokenizer};

/// A chunk that was split off a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Split {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Without special tokens.
    pub(crate) tokens: u32,
}

/// Splits the next chunk off a window that does not fit, or off any window if `is_closing`.
pub(crate) fn next_split(
    tokenizer: &ModelTokenizer,
    scanner: &Scanner,
    window: &mut Window,
    is_closing: bool,
) -> Result<Option<Split>, ChunkingError> {
    let mut budget = window.max_tokens;
    loop {
        let is_whole = budget == window.max_tokens && window.fits();
        let step = match (is_whole, is_closing) {
            (true, false) => return Ok(None),
            (true, true) if window.overlap_end == window.pre_tokens.len() => return Ok(None),
            (true, true) => Step::Split(window.pre_tokens.len()),
            (false, _) => window.next_step(budget),
        };
        match step {
            Step::Start(start) => {
                window.start_at(start);
                budget = window.max_tokens;
            }
            Step::BreakWord => return break_first_word(tokenizer, scanner, window).map(Some),
            Step::Split(split) => {
                let estimate = window.tokens(0, split);
                let (start, end) = window.span(split);
                let tokens = if tokenizer.counts_per_word() {
                    estimate
                } else {
                    tokenizer.content_length(scanner.slice(start, end))?
                };
                if tokens <= window.max_tokens {
                    window.remove_chunk(split);
                    return Ok(Some(Split { start, end, tokens }));
                }
                let excess = tokens - window.max_tokens;
                budget = estimate.saturating_sub(excess).min(budget.saturating_sub(1));
            }
        }
    }
}

/// Splits the first pre-token, which may not fit alone: the part that fits becomes a chunk, the rest a
/// pre-token of its own.
fn break_first_word(
    tokenizer: &ModelTokenizer,
    scanner: &Scanner,
    window: &mut Window,
) -> Result<Split, ChunkingError> {
    let first = window.pre_tokens[0];
    let text = scanner.slice(first.start, first.end);
    let length = tokenizer.longest_prefix(text, window.max_tokens)?;
    let tokens = tokenizer.content_length(&text[..length])?;
    let end = first.start + length as u64;
    if length == text.len() {
        window.remove_chunk(1);
    } else {
        // How much too long it is does not matter, and a word may have thousands of tokens.
        let rest_tokens = tokenizer.count_up_to(&text[length..], window.max_tokens)?;
        window.break_first_word(end, tokens, rest_tokens);
    }
    Ok(Split { start: first.chunk_start, end, tokens })
}
