//! Searches collections by embeddings, terms, or both.
//!
//! *Triggered by* `POST /api/v2/search`, `POST /api/v2/search/single`, and by MCP clients: `POST /mcp`.
//! *Reads* users, collections and documents in PostgreSQL, points in Qdrant, models in its package and their bucket, and
//! for MCP clients the text of documents in the staging bucket.
//! *Writes* nothing.
//! *Safe to repeat because* it is read-only.
//! *Retries when* never: the caller decides. A collection that cannot be searched is listed beside the
//! results of the others. Errors of PostgreSQL and Qdrant are `Unavailable`.

mod collapse;
mod config;
mod context;
mod example;
mod filter;
mod find;
mod handler;
mod highlight;
mod mcp;
mod merge;
mod openapi;
mod plan;
mod query_vector;
mod request;
mod rerank;
mod reranker;
mod response;
mod results;
mod retrieve;
mod router;
mod schemas;
mod search_query;
mod state;

pub use config::Config;
pub use filter::{MetadataFilter, OneOrMany};
pub use merge::ScoreType;
pub use openapi::openapi;
pub use query_vector::QueryVectors;
pub use request::SearchRequest;
pub use reranker::{LazyReranker, RerankerSource};
pub use response::{
    CollectionResult, DuplicatePassage, FailedCollection, Neighbour, ParentChunk, SearchResponse,
    SearchResult, Timings,
};
pub use router::router;
pub use state::State;
