//! Finds passages by meaning, by words, or by both.
//!
//! *Triggered by* `POST /api/v2/search` and `POST /api/v2/search/single`.
//! *Reads* users, collections and documents in PostgreSQL, points in Qdrant, the model beside it.
//! *Writes* nothing.
//! *Safe to repeat because* it changes nothing.
//! *Retries when* never: the caller decides. One collection that does not answer is reported
//! beside the results of the others.

mod config;
mod context;
mod filter;
mod handler;
mod highlight;
mod merge;
mod openapi;
mod plan;
mod query_vector;
mod request;
mod rerank;
mod response;
mod results;
mod retrieve;
mod router;
mod state;

pub use config::Config;
pub use filter::{MetadataFilter, OneOrMany};
pub use merge::ScoreType;
pub use openapi::openapi;
pub use query_vector::QueryVectors;
pub use request::SearchRequest;
pub use response::{CollectionResult, FailedCollection, Neighbour, SearchResponse, SearchResult, Timings};
pub use router::router;
pub use state::State;
