//! BM25: texts to weighted terms.
//!
//! BM25 weighs a term of a text by its frequency in the text, with diminishing returns, and by its rarity
//! among all texts (IDF). The first factor depends on the text alone and is computed here. The second
//! depends on the whole index and is computed by Qdrant (its IDF modifier), so adding and deleting chunks
//! never changes stored weights.
//!
//! BM25 also normalizes by a text's length relative to the average length. The average is a constant here, as
//! in Qdrant's own BM25 and in fastembed: otherwise every new document would change every stored weight,
//! and chunks are of similar length anyway.
//!
//! The id of a term is its hash, the one of Qdrant's BM25, so there is no vocabulary to store. **Ids and weights are
//! stored in indexes: whoever changes how they are computed renames the sparse vector (`vectors::SPARSE`), so
//! that no index mixes both.**

mod alphabet;
mod compounds;
mod find;
mod forms;
mod languages;
mod names;
mod normalized;
mod scripts;
mod stop_words;
mod terms;
mod tokens;
mod weights;

#[cfg(test)]
mod tests;

pub use find::find_terms;
pub use weights::{TermWeights, chunk_terms, query_terms};
