//! What a search answers.

use domain::{CollectionId, DocumentId, DocumentMetadata, SearchMode, SearchType};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::merge::ScoreType;

/// The answer to a search.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SearchResponse {
    /// The query as it was searched.
    pub query: String,
    /// The best passages, best first.
    pub results: Vec<SearchResult>,
    /// How many results are in this answer.
    pub total_results: usize,
    /// How many better ones were left out, as asked for.
    pub offset: u32,
    /// What the results' `score` is.
    pub score_type: ScoreType,
    /// The collections that answered.
    pub collections_searched: Vec<CollectionResult>,
    /// What the client asked for.
    #[schema(value_type = String)]
    pub search_type: SearchType,
    /// How it was searched: `dense`, `sparse` or `hybrid`.
    #[schema(value_type = String)]
    pub search_mode_used: SearchMode,
    /// What the caller should know.
    pub warnings: Vec<String>,
    /// Whether a reranker ordered the results.
    pub reranking_used: bool,
    /// The reranker, if one did.
    pub reranker_model: Option<String>,
    /// Milliseconds for the query's vector.
    pub embedding_time_ms: f64,
    /// Milliseconds that Qdrant took, the slowest collection counting.
    pub search_time_ms: f64,
    /// Milliseconds that a reranker took.
    pub reranking_time_ms: Option<f64>,
    /// Milliseconds for everything, from the moment the function was given the request.
    pub total_time_ms: f64,
    /// The same, part by part.
    pub timings: Timings,
    /// Whether the query was expanded by a language model.
    pub hyde_used: bool,
    /// Whether a collection did not answer.
    pub partial_failure: bool,
    /// The collections that did not answer.
    pub failed_collections: Vec<FailedCollection>,
    /// The API's version.
    pub api_version: &'static str,
}

/// Where the milliseconds went; they add up to `total_time_ms`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub struct Timings {
    /// The query's vector.
    pub embedding_ms: f64,
    /// Qdrant.
    pub qdrant_ms: f64,
    /// PostgreSQL: the caller, the collections, and the documents of the hits.
    pub postgres_ms: f64,
    /// The reranker.
    pub reranking_ms: f64,
    /// Everything else in this function.
    pub rest_ms: f64,
}

/// One passage.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SearchResult {
    /// The document it is from.
    #[schema(value_type = Uuid)]
    pub document_id: DocumentId,
    /// The chunk.
    pub chunk_id: Uuid,
    /// What the results are ordered by, see `score_type`.
    pub score: f32,
    /// Its score within its collection, before reranking: what `score_type` is where one collection is
    /// searched.
    pub original_score: f32,
    /// The score after reranking.
    pub reranked_score: Option<f32>,
    /// The passage.
    pub text: String,
    /// The passage as HTML, with `<mark>` around the words that it shares with the query; on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highlighted_text: Option<String>,
    /// The passages around it, in the order of the document; on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neighbours: Option<Vec<Neighbour>>,
    /// The larger passage that it was cut out of, where its collection is chunked so; on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentPassage>,
    /// Offsets, type and dates.
    pub metadata: Value,
    /// What was said of the document when it was uploaded.
    #[schema(value_type = Object)]
    pub document_metadata: DocumentMetadata,
    /// The file's name.
    pub file_name: String,
    /// Where the file lies in its source.
    pub file_path: String,
    /// The passage's position in the document, from 0.
    pub chunk_index: u32,
    /// How many passages the document has.
    pub total_chunks: u32,
    /// The collection it is from.
    #[schema(value_type = Uuid)]
    pub collection_id: CollectionId,
    /// That collection's name.
    pub collection_name: String,
    /// The model that compared them.
    pub embedding_model: String,
}

/// A passage before or after a result.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Neighbour {
    /// The chunk.
    pub chunk_id: Uuid,
    /// Its position in the document.
    pub chunk_index: u32,
    /// Its text, without what the result or a neighbour in between has already.
    pub text: String,
}

/// A passage that several chunks were cut out of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ParentPassage {
    /// Its position among the document's, from 0.
    pub parent_index: u32,
    /// Where it starts in the document's text, in bytes of UTF-8.
    pub start_offset: u64,
    /// Where it ends, exclusive.
    pub end_offset: u64,
    /// Its length in the model's tokens.
    pub token_count: u32,
    /// The index of its first chunk.
    pub first_chunk: u32,
    /// How many chunks it has.
    pub chunk_count: u32,
    /// Its text, put together from its chunks; null where one of them could not be read.
    pub text: Option<String>,
}

/// A collection that answered.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CollectionResult {
    /// The collection.
    #[schema(value_type = Uuid)]
    pub id: CollectionId,
    /// Its name.
    pub name: String,
    /// How many of the results are from it.
    pub result_count: usize,
}

/// A collection that did not answer.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FailedCollection {
    /// The collection.
    #[schema(value_type = Uuid)]
    pub collection_id: CollectionId,
    /// Its name.
    pub collection_name: String,
    /// What kind of failure it was.
    pub error: String,
    /// What the caller can do.
    pub error_message: String,
}
