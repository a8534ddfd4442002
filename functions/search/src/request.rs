//! The body of a search request.

use access::words;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::filter::MetadataFilter;
use crate::schemas::ResultGroup;

/// A search over one or more collections.
///
/// The defaults of absent fields are the caller's preferences, else those given here.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
pub struct SearchRequest {
    /// The collections to search, 1 to 10. The caller needs read access to each.
    #[serde(default)]
    pub collection_uuids: Vec<Uuid>,
    /// One collection, in place of `collection_uuids`.
    #[serde(default)]
    pub collection_id: Option<Uuid>,
    /// The query, 1 to 1000 characters.
    #[schema(min_length = 1, example = "how are tides explained")]
    pub query: String,
    /// The number of results, 1 to 100; 10 by default. Also `top_k`.
    #[serde(default, alias = "top_k")]
    #[schema(minimum = 1, maximum = 100)]
    pub k: Option<u32>,
    /// The number of best results to skip, 0 to 900.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 900)]
    pub offset: Option<u32>,
    /// `dense` (the default) compares embeddings; `sparse` compares terms by BM25; `hybrid` does both and
    /// fuses the ranks.
    #[serde(default)]
    #[schema(value_type = Option<words::SearchMode>)]
    pub search_mode: Option<String>,
    /// `semantic`, `question` or `code`, accepted for compatibility; `hybrid` sets `search_mode`.
    #[serde(default)]
    #[schema(value_type = Option<words::SearchType>)]
    pub search_type: Option<String>,
    /// The constant k of reciprocal rank fusion, 1 to 1000; 60 by default. The larger, the less the first
    /// ranks stand out.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    pub rrf_k: Option<u32>,
    /// The minimum cosine similarity of query and chunk, 0 to 1, in every mode; 0 for none. Chunks below it
    /// are not returned, whatever ranks the results.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1)]
    pub score_threshold: Option<f32>,
    /// Returns only chunks of documents that match. Also `filter` or `filters`.
    #[serde(default, alias = "filter", alias = "filters")]
    pub metadata_filter: Option<MetadataFilter>,
    /// `document`: `k` and `offset` count documents, ranked by their best chunks.
    #[serde(default)]
    #[schema(value_type = Option<ResultGroup>)]
    pub group_by: Option<String>,
    /// The maximum number of chunks per document in grouped results, 1 to 10; 1 by default.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10)]
    pub group_size: Option<u32>,
    /// Whether passages with the same text are returned once, with the others in `duplicates`; true by default.
    #[serde(default)]
    pub collapse_duplicates: Option<bool>,
    /// Whether each result also has its text as HTML with the query's terms marked.
    #[serde(default)]
    pub highlight: Option<bool>,
    /// The number of neighbouring chunks to return before and after each result, 0 to 3; 0 by default.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 3)]
    pub context_chunks: Option<u32>,
    /// Whether to return the parent chunk of each result, in collections with hierarchical chunking.
    #[serde(default)]
    pub include_parent: Option<bool>,
    /// Whether a cross-encoder reranks the best results: five times `k`, at least 20 and at most 200, after
    /// which results end. Without a configured reranker the response has a warning.
    #[serde(default)]
    pub use_reranker: Option<bool>,
    /// Accepted for compatibility: there is at most one reranker.
    #[serde(default)]
    pub rerank_model: Option<String>,
    /// Accepted for compatibility, like `rerank_model`.
    #[serde(default)]
    pub reranker_id: Option<String>,
    /// Accepted for compatibility; the text is always returned.
    #[serde(default)]
    pub include_content: Option<bool>,
    /// Accepted for compatibility; `true` adds a warning to the response.
    #[serde(default)]
    pub use_hyde: Option<bool>,
    /// Accepted for compatibility: hybrid results are fused by rank, see `rrf_k`.
    #[serde(default)]
    pub hybrid_alpha: Option<f32>,
    /// Accepted for compatibility, see `search_mode`.
    #[serde(default)]
    pub hybrid_mode: Option<String>,
    /// Accepted for compatibility, see `search_mode`.
    #[serde(default)]
    pub keyword_mode: Option<String>,
}
