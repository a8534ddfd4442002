//! The words in which searches are asked for.

use serde::{Deserialize, Serialize};

use crate::ParseStatusError;
use crate::status::words;

words!(
    /// What a search compares.
    SearchMode, "search mode" {
        /// Meanings.
        Dense = "dense",
        /// Words, weighted by how rare they are.
        Sparse = "sparse",
        /// Both, fused by rank.
        Hybrid = "hybrid",
    }
);

words!(
    /// What a query is.
    SearchType, "search type" {
        /// A description of what to find.
        Semantic = "semantic",
        /// A question to answer.
        Question = "question",
        /// Source code, or words about it.
        Code = "code",
        /// Another name for the mode of that name, as older clients send it.
        Hybrid = "hybrid",
    }
);

words!(
    /// How words are weighted.
    SparseType, "sparse type" {
        /// By how often they occur, and in how few documents.
        Bm25 = "bm25",
        /// By a model.
        Splade = "splade",
    }
);

words!(
    /// How good, and how slow, a language model is.
    QualityTier, "quality tier" {
        /// Good.
        High = "high",
        /// Fast.
        Low = "low",
    }
);
