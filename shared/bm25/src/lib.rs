//! Texts to weighted terms, for search by words (BM25).
//!
//! BM25 weighs a term of a passage by how often it occurs there, less and less so the more often,
//! and by how rare it is among all passages. Only the first half needs the passage, and is computed
//! here; the second needs the collection, and is Qdrant's (its IDF modifier), so nothing has to be
//! counted again when passages come and go.
//!
//! The weights of a passage depend on its text alone. BM25 also compares a passage's length with the
//! average of its collection; taking the average as it is would change every stored weight with
//! every new document. So it is a constant, as it is in Qdrant's own BM25 and in fastembed: chunks
//! are cut to much the same length anyway.
//!
//! Ids of terms are hashes of them: no vocabulary has to be kept, and what stores and what searches
//! need not know of each other. **Terms, ids and weights are stored in collections: changing how
//! they come about makes collections that were indexed before harder to search.**

mod stop_words;
mod weights;
mod words;

pub use weights::{TermWeights, find_terms, passage_terms, query_terms};
