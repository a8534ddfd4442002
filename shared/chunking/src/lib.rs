//! Splits text into chunks, sized in the model's own tokens.
//!
//! Pure and streaming: text goes in by pieces of any size, chunks come out as soon as they are
//! known, and memory is bounded by the chunk size. The chunks do not depend on how the text was split
//! into pieces.
//!
//! Invariants for every text:
//! - a chunk has at most `chunk_size` tokens as the model counts them, special tokens included;
//! - every character that is not white space is in a chunk, and `document[start..end]` is exactly the
//!   chunk's text, after the header row in chunks of a table;
//! - a word (the text between white space; an ideograph is a word of its own) is split only if it does
//!   not fit into a chunk (of a table: beside the header), a Markdown code fence or a record only if it
//!   does not fit either, a character never (where the tokenizer does not count per word, a word within
//!   two tokens of the size may be split);
//! - a section that must begin a chunk begins one, and there is no overlap across its start, across a
//!   change of topic or across the edge of a parent or of a table within the document. A parent is a chunk of the
//!   parent's size;
//! - a chunk overlaps the one before it by up to `chunk_overlap` tokens, from a word boundary on. It
//!   repeats at least one word, unless that word would take half of the chunk, the next word needs the
//!   room, or the split is inside an oversized word or right after a code fence.
//!
//! A chunk has at most 32 bytes for each token of `chunk_size` too, because a tokenizer may produce one
//! token for a text of any length.

mod boundary;
mod catalogue;
mod chunker;
mod error;
mod header;
mod headings;
mod lines;
mod parameters;
mod places;
mod plan;
mod pre_token;
mod scanner;
mod split;
mod static_vectors;
mod strategy;
mod tokenizer;
mod topics;
mod window;
mod word_counts;
mod word_tokens;

pub use catalogue::{Bound, ParameterDefinition, ParameterValue, STRATEGIES, StrategyDefinition};
pub use chunker::{Chunk, Chunker};
pub use domain::Layout;
pub use error::ChunkingError;
pub use parameters::ChunkingParameters;
pub use static_vectors::StaticVectors;
pub use strategy::{FieldError, SemanticConfig, Strategy, known_parameters};
pub use tokenizer::ModelTokenizer;
