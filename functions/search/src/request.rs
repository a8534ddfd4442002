//! What a search asks for.

use domain::CollectionId;
use lambda::http::{ApiError, FieldError};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// The most collections one search may name.
const MAX_COLLECTIONS: usize = 10;
/// The longest query, in characters.
const MAX_QUERY_CHARS: usize = 1000;
/// The most results.
const MAX_RESULTS: u32 = 100;

/// A search over one or more collections.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    /// 1 to 10 collections that the caller can read.
    #[schema(min_items = 1)]
    pub collection_uuids: Vec<Uuid>,
    /// What to look for, 1 to 1000 characters.
    #[schema(min_length = 1, example = "how are tides explained")]
    pub query: String,
    /// How many results to give, 1 to 100.
    #[serde(default = "default_k")]
    #[schema(default = 10, minimum = 1, maximum = 100)]
    pub k: u32,
    /// `dense`, by meaning.
    #[serde(default)]
    pub search_mode: Option<String>,
    /// `semantic`, `question` or `code`; accepted for compatibility.
    #[serde(default)]
    pub search_type: Option<String>,
    /// Results below this cosine similarity are left out, 0 to 1.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1)]
    pub score_threshold: Option<f32>,
    /// Accepted for compatibility; the text is always included.
    #[serde(default)]
    pub include_content: Option<bool>,
    /// No reranker is configured: `true` is answered with a warning.
    #[serde(default)]
    pub use_reranker: Option<bool>,
}

/// A search over one collection.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SingleSearchRequest {
    /// A collection that the caller can read.
    pub collection_id: Uuid,
    /// What to look for, 1 to 1000 characters.
    #[schema(min_length = 1, example = "how are tides explained")]
    pub query: String,
    /// How many results to give, 1 to 100.
    #[serde(default = "default_k")]
    #[schema(default = 10, minimum = 1, maximum = 100)]
    pub k: u32,
    /// `dense`, by meaning.
    #[serde(default)]
    pub search_mode: Option<String>,
    /// `semantic`, `question` or `code`; accepted for compatibility.
    #[serde(default)]
    pub search_type: Option<String>,
    /// Results below this cosine similarity are left out, 0 to 1.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1)]
    pub score_threshold: Option<f32>,
    /// Accepted for compatibility; the text is always included.
    #[serde(default)]
    pub include_content: Option<bool>,
    /// No reranker is configured: `true` is answered with a warning.
    #[serde(default)]
    pub use_reranker: Option<bool>,
}

impl From<SingleSearchRequest> for SearchRequest {
    fn from(single: SingleSearchRequest) -> Self {
        Self {
            collection_uuids: vec![single.collection_id],
            query: single.query,
            k: single.k,
            search_mode: single.search_mode,
            search_type: single.search_type,
            score_threshold: single.score_threshold,
            include_content: single.include_content,
            use_reranker: single.use_reranker,
        }
    }
}

const fn default_k() -> u32 {
    10
}

/// A search that makes sense.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Search {
    pub(crate) collections: Vec<CollectionId>,
    pub(crate) query: String,
    pub(crate) limit: u32,
    pub(crate) score_threshold: Option<f32>,
    pub(crate) search_type: String,
    pub(crate) warnings: Vec<String>,
}

impl SearchRequest {
    /// Checks every field and says all that is wrong at once.
    pub(crate) fn check(self) -> Result<Search, ApiError> {
        let mut errors = Vec::new();
        let mut wrong = |field: &str, message: String| {
            errors.push(FieldError { field: field.to_owned(), message });
        };
        let mut collections: Vec<CollectionId> = Vec::new();
        for id in self.collection_uuids {
            if !collections.contains(&CollectionId(id)) {
                collections.push(CollectionId(id));
            }
        }
        if collections.is_empty() || collections.len() > MAX_COLLECTIONS {
            wrong(
                "collection_uuids",
                format!("{} collections were named; name 1 to {MAX_COLLECTIONS}", collections.len()),
            );
        }
        let query = self.query.trim().to_owned();
        let chars = query.chars().count();
        if chars == 0 || chars > MAX_QUERY_CHARS {
            wrong("query", format!("the query has {chars} characters; 1 to {MAX_QUERY_CHARS} are allowed"));
        }
        if self.k == 0 || self.k > MAX_RESULTS {
            wrong("k", format!("{} was asked for; 1 to {MAX_RESULTS} are allowed", self.k));
        }
        if let Some(threshold) = self.score_threshold
            && !(0.0..=1.0).contains(&threshold)
        {
            wrong("score_threshold", format!("{threshold} was asked for; 0 to 1 is allowed"));
        }
        if let Some(mode) = self.search_mode.as_deref().filter(|mode| *mode != "dense") {
            wrong("search_mode", format!("{mode:?} was asked for; this version searches by \"dense\" only"));
        }
        let search_type = self.search_type.unwrap_or_else(|| "semantic".to_owned());
        if !["semantic", "question", "code"].contains(&search_type.as_str()) {
            wrong(
                "search_type",
                format!("{search_type:?} was asked for; semantic, question and code are allowed"),
            );
        }
        if !errors.is_empty() {
            return Err(ApiError::invalid_fields(errors));
        }
        let mut warnings = Vec::new();
        if self.use_reranker == Some(true) {
            warnings.push("no reranker is configured; the results are ranked by similarity alone".to_owned());
        }
        // A threshold of 0 is the clients' way to say none; cosine similarity can be negative.
        let score_threshold = self.score_threshold.filter(|threshold| *threshold > 0.0);
        Ok(Search { collections, query, limit: self.k, score_threshold, search_type, warnings })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(body: serde_json::Value) -> Result<Search, ApiError> {
        serde_json::from_value::<SearchRequest>(body).unwrap().check()
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let error = check(json!({ "collection_uuids": [], "query": " ", "k": 0, "score_threshold": 2.0 }))
            .unwrap_err();
        insta::assert_snapshot!(error.detail(), @"collection_uuids: 0 collections were named; name 1 to 10; query: the query has 0 characters; 1 to 1000 are allowed; k: 0 was asked for; 1 to 100 are allowed; score_threshold: 2 was asked for; 0 to 1 is allowed");
    }

    #[test]
    fn a_collection_named_twice_is_searched_once() {
        let id = Uuid::nil();
        let search = check(json!({ "collection_uuids": [id, id], "query": "x" })).unwrap();
        assert_eq!(search.collections, [CollectionId(id)]);
        assert_eq!((search.limit, search.score_threshold), (10, None));
    }
}
