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
//! The id of a term is its hash, so there is no vocabulary to store. **Ids and weights are stored in
//! indexes: changing how they are computed makes existing indexes harder to search.**

mod stop_words;
mod tokenizer;
mod weights;

pub use weights::{TermWeights, chunk_terms, find_terms, query_terms};
