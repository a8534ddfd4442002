//! Parameters of searches.

use serde::{Deserialize, Serialize};

use crate::ParseStatusError;
use crate::status::labels;

labels!(
    /// What a search compares.
    SearchMode, "search mode" {
        /// Dense vectors only.
        Dense = "dense",
        /// Sparse vectors (BM25) only.
        Sparse = "sparse",
        /// Both, fused by reciprocal rank.
        Hybrid = "hybrid",
    }
);

labels!(
    /// The kind of query, which selects the prompt of the embedding model.
    SearchType, "search type" {
        /// A description of what to find.
        Semantic = "semantic",
        /// A question to answer.
        Question = "question",
        /// Source code, or a description of it.
        Code = "code",
        /// Selects the mode `hybrid`; for older clients.
        Hybrid = "hybrid",
    }
);

labels!(
    /// How terms of sparse vectors are weighted.
    SparseType, "sparse type" {
        /// By term frequency and inverse document frequency (BM25).
        Bm25 = "bm25",
        /// By a model (SPLADE).
        Splade = "splade",
    }
);

labels!(
    /// Quality tier of a language model.
    QualityTier, "quality tier" {
        /// Better and slower.
        High = "high",
        /// Faster.
        Low = "low",
    }
);
