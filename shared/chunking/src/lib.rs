//! Text to chunks, sized in the model's own tokens.
//!
//! Pure and streaming: text goes in by pieces of any size, chunks come out as soon as they are
//! known, and what is held in between is bounded by the chunk size. The chunks do not depend on
//! how the text was cut into pieces.
//!
//! What holds for every text:
//! - a chunk has at most `chunk_size` tokens as the model counts them, special tokens included;
//! - every character that is not white space is in a chunk, and `document[start..end]` is the
//!   chunk's text exactly;
//! - a word (what stands between white space; an ideograph is a word of its own) is cut only when
//!   it alone does not fit, a Markdown code fence only when it alone does not fit, a character
//!   never (where the tokenizer does not count per word, a word may be cut that is within two
//!   tokens of the size);
//! - a section that is to begin a chunk begins one, and nothing is repeated across its start, across a
//!   change of subject or across the edge of a parent. A parent is as a chunk of its own size;
//! - a chunk repeats up to `chunk_overlap` tokens of the one before it, from a word boundary on.
//!   It repeats at least one word, unless that word would take half of the chunk, the next word
//!   needs the room, or the cut is inside an oversized word or right after a code fence.
//!
//! A chunk is also bounded in bytes, 32 for each token of `chunk_size`, because a tokenizer may
//! give one token for any length of text.

mod atom;
mod boundary;
mod catalogue;
mod chunker;
mod cutting;
mod error;
mod parameters;
mod plan;
mod scanner;
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
pub use strategy::{SemanticConfig, Strategy, StrategyProblem, known_parameters};
pub use tokenizer::ModelTokenizer;
