//! The body of a search response.

use access::words;
use domain::{CollectionId, DocumentId, DocumentMetadata, SearchMode, SearchType};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::merge::ScoreType;

/// The response to a search.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SearchResponse {
    /// The query, without surrounding white space.
    pub query: String,
    /// The best chunks, best first.
    pub results: Vec<SearchResult>,
    /// The number of results in this response.
    pub total_results: usize,
    /// The number of better results that were skipped.
    pub offset: u32,
    /// The kind of the results' `score`.
    pub score_type: ScoreType,
    /// The collections that were searched.
    pub collections_searched: Vec<CollectionResult>,
    /// The `search_type` of the request.
    #[schema(value_type = words::SearchType)]
    pub search_type: SearchType,
    /// The mode of the search: `dense`, `sparse` or `hybrid`.
    #[schema(value_type = words::SearchMode)]
    pub search_mode_used: SearchMode,
    /// Deviations from the request, for example fields without effect.
    pub warnings: Vec<String>,
    /// Whether the results were reranked.
    pub reranking_used: bool,
    /// The name of the reranker, if the results were reranked.
    pub reranker_model: Option<String>,
    /// Time to embed the query, in milliseconds.
    pub embedding_time_ms: f64,
    /// Time of the Qdrant requests, in milliseconds; collections are searched in parallel.
    pub search_time_ms: f64,
    /// Time to rerank, in milliseconds.
    pub reranking_time_ms: Option<f64>,
    /// Total time since the function received the request, in milliseconds.
    pub total_time_ms: f64,
    /// The parts of `total_time_ms`.
    pub timings: Timings,
    /// Always false: queries are not expanded by a language model.
    pub hyde_used: bool,
    /// Whether a collection could not be searched.
    pub partial_failure: bool,
    /// The collections that could not be searched.
    pub failed_collections: Vec<FailedCollection>,
    /// The version of the API.
    pub api_version: &'static str,
}

/// Times in milliseconds, which add up to `total_time_ms`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub struct Timings {
    /// Embedding the query.
    pub embedding_ms: f64,
    /// Requests to Qdrant.
    pub qdrant_ms: f64,
    /// PostgreSQL queries: the caller, the collections, and the documents of the hits.
    pub postgres_ms: f64,
    /// Reranking.
    pub reranking_ms: f64,
    /// The rest of the function.
    pub rest_ms: f64,
}

/// A chunk that was found.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SearchResult {
    /// The id of the document.
    #[schema(value_type = Uuid)]
    pub document_id: DocumentId,
    /// The id of the chunk.
    pub chunk_id: Uuid,
    /// The score that ranks the results, see `score_type`.
    pub score: f32,
    /// The score within its collection, before merging and reranking.
    pub original_score: f32,
    /// The score after reranking.
    pub reranked_score: Option<f32>,
    /// The text of the chunk.
    pub text: String,
    /// The text as HTML with `<mark>` around the query's terms, if `highlight` was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highlighted_text: Option<String>,
    /// The neighbouring chunks in document order, if `context_chunks` were requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub neighbours: Option<Vec<Neighbour>>,
    /// The parent chunk, if `include_parent` was requested and the collection has hierarchical chunking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<ParentChunk>,
    /// The title of the document, if it has one.
    pub title: Option<String>,
    /// The headings that the chunk is under, outermost first.
    pub section_path: Vec<String>,
    /// The page, slide or sheet that the chunk begins on, from 1; null if the document has none.
    pub first_page: Option<u32>,
    /// The page that the chunk ends on.
    pub last_page: Option<u32>,
    /// The name by which links lead to the innermost heading that has one, without `#`.
    pub anchor: Option<String>,
    /// The line of the document that the chunk begins on, from 1; null for formats whose text has other lines.
    pub first_line: Option<u32>,
    /// The line that the chunk ends on.
    pub last_line: Option<u32>,
    /// The URL at which people open the document, if possible at this chunk: that of its source, such as a web page,
    /// with the heading, page or lines; else the route that downloads it, for callers who may read the collection.
    pub url: String,
    /// Path within the source (`source_path`), offsets in the document, media type and creation time.
    pub metadata: Value,
    /// The metadata of the document.
    #[schema(value_type = words::MetadataSchema)]
    pub document_metadata: DocumentMetadata,
    /// The file's name.
    pub file_name: String,
    /// The path of the file within its source.
    pub file_path: String,
    /// The index of the chunk in the document, from 0.
    pub chunk_index: u32,
    /// The number of chunks of the document.
    pub total_chunks: u32,
    /// The id of the collection.
    #[schema(value_type = Uuid)]
    pub collection_id: CollectionId,
    /// The name of the collection.
    pub collection_name: String,
    /// The embedding model of the collection.
    pub embedding_model: String,
    /// The number of other passages with the same text among those compared. They are not results of their
    /// own, unless `collapse_duplicates` is false.
    pub duplicate_count: usize,
    /// The best of those, 10 at most.
    pub duplicates: Vec<DuplicatePassage>,
}

/// A passage with the same text as a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DuplicatePassage {
    /// The id of its document.
    #[schema(value_type = Uuid)]
    pub document_id: DocumentId,
    /// The id of the chunk.
    pub chunk_id: Uuid,
    /// The index of the chunk in the document, from 0.
    pub chunk_index: u32,
    /// The file's name.
    pub file_name: String,
    /// The path of the file within its source.
    pub file_path: String,
    /// The URL at which people open its document, as of results.
    pub url: String,
    /// The id of the collection.
    #[schema(value_type = Uuid)]
    pub collection_id: CollectionId,
}

/// A chunk before or after a result.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Neighbour {
    /// The id of the chunk.
    pub chunk_id: Uuid,
    /// The index of the chunk in the document, from 0.
    pub chunk_index: u32,
    /// The text, without what it shares with the result or a neighbour in between.
    pub text: String,
}

/// A larger section of a document that contains several chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ParentChunk {
    /// The index among the document's parents, from 0.
    pub parent_index: u32,
    /// The start in the document's text, in bytes of UTF-8.
    pub start_offset: u64,
    /// The end in the document's text, exclusive.
    pub end_offset: u64,
    /// The length in tokens of the embedding model.
    pub token_count: u32,
    /// The index of the first chunk.
    pub first_chunk: u32,
    /// The number of chunks.
    pub chunk_count: u32,
    /// The text, joined from the chunks; null if one of them could not be read.
    pub text: Option<String>,
}

/// A collection that was searched.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CollectionResult {
    /// The id of the collection.
    #[schema(value_type = Uuid)]
    pub id: CollectionId,
    /// The name of the collection.
    pub name: String,
    /// The number of results from this collection.
    pub result_count: usize,
}

/// A collection that could not be searched.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct FailedCollection {
    /// The id of the collection.
    #[schema(value_type = Uuid)]
    pub collection_id: CollectionId,
    /// The name of the collection.
    pub collection_name: String,
    /// The kind of the error.
    pub error: String,
    /// What failed, and what to do.
    pub error_message: String,
}
