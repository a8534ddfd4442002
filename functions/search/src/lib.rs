//! Finds passages by meaning.
//!
//! *Triggered by* `POST /api/v2/search` and `POST /api/v2/search/single`.
//! *Reads* users, collections and documents in PostgreSQL, points in Qdrant, the model beside it.
//! *Writes* nothing.
//! *Safe to repeat because* it changes nothing.
//! *Retries when* never: the caller decides. One collection that does not answer is reported
//! beside the results of the others.

mod config;
mod handler;
mod merge;
mod openapi;
mod query_vector;
mod request;
mod response;
mod router;
mod state;

pub use config::Config;
pub use openapi::openapi;
pub use request::{SearchRequest, SingleSearchRequest};
pub use response::{CollectionResult, FailedCollection, SearchResponse, SearchResult, Timings};
pub use router::router;
pub use state::State;
