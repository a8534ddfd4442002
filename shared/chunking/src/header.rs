//! The header row of a table, which every chunk of it repeats.

use domain::Layout;

use crate::pre_token::PreToken;
use crate::scanner::Scanner;
use crate::split::Split;
use crate::window::Window;
use crate::{ChunkingError, ModelTokenizer};

/// A header that takes a greater part of a chunk than one in this many is not repeated.
const MAX_PART: u32 = 4;

/// Tokens by which two texts that are counted separately may have fewer than their concatenation.
const MARGIN: u32 = 2;

/// Collects the first line of a table and puts it before later chunks.
#[derive(Debug)]
pub(crate) enum Header {
    /// The document is no table, or its header is too long.
    None,
    /// The offsets of the first line as far as it was read.
    Reading { start: u64, end: u64 },
    Known {
        text: String,
        end: u64,
        tokens: u32,
        /// Tokens and bytes that were taken from the window.
        taken: (u32, u64),
    },
}

impl Header {
    pub(crate) fn new(layout: Layout) -> Self {
        match layout {
            Layout::Table => Self::Reading { start: 0, end: 0 },
            Layout::Prose | Layout::Markdown | Layout::Code | Layout::Records => Self::None,
        }
    }

    /// Reads the document's next pre-token. At the end of the first line, the header's tokens and bytes are
    /// taken from those of the window. A header that is in a chunk already is not repeated: it was too long
    /// for one.
    pub(crate) fn read(
        &mut self,
        pre_token: &PreToken,
        has_chunks: bool,
        tokenizer: &ModelTokenizer,
        scanner: &Scanner,
        window: &mut Window,
    ) -> Result<(), ChunkingError> {
        let Self::Reading { start, end } = self else {
            return Ok(());
        };
        if has_chunks {
            *self = Self::None;
            return Ok(());
        }
        if *end == 0 {
            *start = pre_token.start;
        }
        let (first, last) = (*start, *end);
        if last == 0 || pre_token.gap.lines == 0 {
            *end = pre_token.end;
            if *end - first > window.max_bytes / u64::from(MAX_PART) {
                *self = Self::None;
            }
            return Ok(());
        }
        *self = Self::of_row(scanner.slice(first, last), last, tokenizer, window)?;
        Ok(())
    }

    /// The header row of a table, which ends at `end` in the document. Its tokens and bytes are taken from the window.
    pub(crate) fn of_row(
        text: &str,
        end: u64,
        tokenizer: &ModelTokenizer,
        window: &mut Window,
    ) -> Result<Self, ChunkingError> {
        let (text, bytes) = (text.to_owned(), text.len() as u64 + 1);
        let tokens = tokenizer.content_length(&text)?;
        if tokens > window.max_tokens / MAX_PART || bytes > window.max_bytes / u64::from(MAX_PART) {
            return Ok(Self::None);
        }
        let margin = if tokenizer.counts_per_word() { 0 } else { MARGIN };
        let taken = (tokens + margin, bytes);
        window.max_tokens -= taken.0;
        window.max_bytes -= taken.1;
        Ok(Self::Known { text, end, tokens, taken })
    }

    /// Ends the table: the window gets its tokens and bytes back.
    pub(crate) fn end(&mut self, window: &mut Window) {
        if let Self::Known { taken: (tokens, bytes), .. } = self {
            window.max_tokens += *tokens;
            window.max_bytes += *bytes;
        }
        *self = Self::None;
    }

    /// Returns a chunk's text with the header before it, unless it has the header, and its tokens.
    pub(crate) fn put_before(
        &self,
        text: &str,
        split: Split,
        tokenizer: &ModelTokenizer,
        window: &Window,
    ) -> Result<(String, u32), ChunkingError> {
        let Self::Known { text: header, end, tokens, .. } = self else {
            return Ok((text.to_owned(), split.tokens));
        };
        if split.start < *end {
            return Ok((text.to_owned(), split.tokens));
        }
        let with_header = format!("{header}\n{text}");
        if tokenizer.counts_per_word() {
            return Ok((with_header, tokens + split.tokens));
        }
        let counted = tokenizer.content_length(&with_header)?;
        // Joined, the two may have more tokens than apart.
        Ok(if counted > window.max_tokens + tokens + MARGIN {
            (text.to_owned(), split.tokens)
        } else {
            (with_header, counted)
        })
    }
}
