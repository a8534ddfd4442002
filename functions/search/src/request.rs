//! What a search asks for.

use domain::{CollectionId, SearchMode, SearchType};
use lambda::http::{ApiError, FieldError};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;
use vectors::ChunkFilter;

use crate::context::Surroundings;
use crate::filter::MetadataFilter;

/// The most collections one search may name.
const MAX_COLLECTIONS: usize = 10;
/// The longest query, in characters.
const MAX_QUERY_CHARS: usize = 1000;
/// The most results.
pub(crate) const MAX_RESULTS: u32 = 100;
/// How far paging goes.
const MAX_OFFSET: u32 = 900;
/// The most passages of one document in a grouped answer.
const MAX_GROUP_SIZE: u32 = 10;
/// The most neighbours on each side of a passage.
const MAX_CONTEXT: u32 = 3;

/// A search over one or more collections.
///
/// Whatever is left out is as the caller's preferences say, and else as described here.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    /// 1 to 10 collections that the caller can read.
    #[serde(default)]
    pub collection_uuids: Vec<Uuid>,
    /// One collection, in place of `collection_uuids`.
    #[serde(default)]
    pub collection_id: Option<Uuid>,
    /// What to look for, 1 to 1000 characters.
    #[schema(min_length = 1, example = "how are tides explained")]
    pub query: String,
    /// How many results to give, 1 to 100; 10 by default. Also `top_k`.
    #[serde(default, alias = "top_k")]
    #[schema(minimum = 1, maximum = 100)]
    pub k: Option<u32>,
    /// How many of the best results to leave out, up to 900.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 900)]
    pub offset: Option<u32>,
    /// What is compared: `dense`, the meaning (the default); `sparse`, the words, rare ones counting
    /// more (BM25); `hybrid`, both, fused by rank.
    #[serde(default)]
    #[schema(example = "hybrid")]
    pub search_mode: Option<String>,
    /// `semantic`, `question` or `code`, accepted for compatibility; `hybrid`, the mode of that name.
    #[serde(default)]
    pub search_type: Option<String>,
    /// The k of reciprocal rank fusion, 1 to 1000: the larger, the less the first ranks stand out; 60
    /// by default.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1000)]
    pub rrf_k: Option<u32>,
    /// The least cosine similarity of query and passage, 0 to 1, in every mode: a passage that is less
    /// similar is no result, whatever the results are ranked by. 0 for none.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 1)]
    pub score_threshold: Option<f32>,
    /// Only passages of documents like this. Also `filter`.
    #[serde(default, alias = "filter", alias = "filters")]
    pub metadata_filter: Option<MetadataFilter>,
    /// `document`: `k` and `offset` count documents, ordered by their best passages.
    #[serde(default)]
    #[schema(example = "document")]
    pub group_by: Option<String>,
    /// The most passages of one document in a grouped answer, 1 to 10; 1 by default.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10)]
    pub group_size: Option<u32>,
    /// Whether each passage comes a second time, as HTML with the query's words marked.
    #[serde(default)]
    pub highlight: Option<bool>,
    /// How many passages before and after each result come with it, 0 to 3.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 3)]
    pub context_chunks: Option<u32>,
    /// Whether each result of a collection that is chunked in parents comes with its parent.
    #[serde(default)]
    pub include_parent: Option<bool>,
    /// Whether a model that reads query and passage together puts the best results in order: five
    /// times `k`, 20 to 200 of them, beyond which there are none. Answered with a warning where no
    /// reranker is configured.
    #[serde(default)]
    pub use_reranker: Option<bool>,
    /// Accepted for compatibility: there is one reranker or none.
    #[serde(default)]
    pub rerank_model: Option<String>,
    /// The same; accepted for compatibility.
    #[serde(default)]
    pub reranker_id: Option<String>,
    /// Accepted for compatibility; the text is always included.
    #[serde(default)]
    pub include_content: Option<bool>,
    /// Accepted for compatibility: `true` is answered with a warning.
    #[serde(default)]
    pub use_hyde: Option<bool>,
    /// Accepted for compatibility: the fusion is by rank, see `rrf_k`.
    #[serde(default)]
    pub hybrid_alpha: Option<f32>,
    /// Accepted for compatibility, see `search_mode`.
    #[serde(default)]
    pub hybrid_mode: Option<String>,
    /// Accepted for compatibility, see `search_mode`.
    #[serde(default)]
    pub keyword_mode: Option<String>,
}

/// A search that makes sense. What the request does not say is left open.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Search {
    pub(crate) collections: Vec<CollectionId>,
    pub(crate) query: String,
    pub(crate) limit: Option<u32>,
    pub(crate) offset: u32,
    pub(crate) mode: Option<SearchMode>,
    pub(crate) search_type: SearchType,
    pub(crate) rank_constant: Option<u32>,
    pub(crate) score_threshold: Option<f32>,
    pub(crate) filter: ChunkFilter,
    /// The most passages of a document, where documents are counted.
    pub(crate) group_size: Option<u32>,
    pub(crate) highlight: bool,
    pub(crate) around: Surroundings,
    pub(crate) use_reranker: Option<bool>,
    pub(crate) warnings: Vec<String>,
}

impl SearchRequest {
    /// Checks every field and says all that is wrong at once.
    pub(crate) fn check(self) -> Result<Search, ApiError> {
        let mut errors = Errors::default();
        let collections = self.collections(&mut errors);
        let query = self.query.trim().to_owned();
        let chars = query.chars().count();
        if chars == 0 || chars > MAX_QUERY_CHARS {
            errors.add(
                "query",
                format!("the query has {chars} characters; 1 to {MAX_QUERY_CHARS} are allowed"),
            );
        }
        errors.range("k", self.k, 1, MAX_RESULTS);
        errors.range("offset", self.offset, 0, MAX_OFFSET);
        errors.range("rrf_k", self.rrf_k, 1, 1000);
        errors.range("group_size", self.group_size, 1, MAX_GROUP_SIZE);
        errors.range("context_chunks", self.context_chunks, 0, MAX_CONTEXT);
        if let Some(threshold) = self.score_threshold
            && !(0.0..=1.0).contains(&threshold)
        {
            errors.add("score_threshold", format!("{threshold} was asked for; 0 to 1 is allowed"));
        }
        let mode = errors.parsed::<SearchMode>(
            "search_mode",
            self.search_mode.as_deref(),
            "dense, sparse and hybrid",
        );
        let words = "semantic, question, code and hybrid";
        let search_type = errors.parsed("search_type", self.search_type.as_deref(), words);
        let search_type = search_type.unwrap_or(SearchType::Semantic);
        let by_type = (search_type == SearchType::Hybrid).then_some(SearchMode::Hybrid);
        let is_grouped = match self.group_by.as_deref() {
            None => self.group_size.is_some(),
            Some("document") => true,
            Some(other) => {
                errors.add("group_by", format!("{other:?} was asked for; document is allowed"));
                false
            }
        };
        let warnings = self.warnings();
        let filter = self.metadata_filter.map(|filter| filter.check(&mut errors)).unwrap_or_default();
        if !errors.0.is_empty() {
            return Err(ApiError::invalid_fields(errors.0));
        }
        Ok(Search {
            collections,
            query,
            limit: self.k,
            offset: self.offset.unwrap_or(0),
            mode: mode.or(by_type),
            search_type,
            rank_constant: self.rrf_k,
            score_threshold: self.score_threshold,
            filter,
            group_size: is_grouped.then(|| self.group_size.unwrap_or(1)),
            highlight: self.highlight.unwrap_or(false),
            around: Surroundings {
                reach: self.context_chunks.unwrap_or(0),
                parent: self.include_parent.unwrap_or(false),
            },
            use_reranker: self.use_reranker,
            warnings,
        })
    }

    /// The collections in the order in which they are named, each once.
    fn collections(&self, errors: &mut Errors) -> Vec<CollectionId> {
        let mut collections: Vec<CollectionId> = Vec::new();
        for id in self.collection_uuids.iter().chain(&self.collection_id) {
            if !collections.contains(&CollectionId(*id)) {
                collections.push(CollectionId(*id));
            }
        }
        if collections.is_empty() || collections.len() > MAX_COLLECTIONS {
            let message =
                format!("{} collections were named; name 1 to {MAX_COLLECTIONS}", collections.len());
            errors.add("collection_uuids", message);
        }
        collections
    }

    /// What is accepted and does not do what it may once have done.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.use_hyde == Some(true) {
            warnings.push("no language model is configured; the query is searched as it is".to_owned());
        }
        for (field, is_given, instead) in [
            ("hybrid_alpha", self.hybrid_alpha.is_some(), "rrf_k"),
            ("hybrid_mode", self.hybrid_mode.is_some(), "search_mode"),
            ("keyword_mode", self.keyword_mode.is_some(), "search_mode"),
        ] {
            if is_given {
                warnings.push(format!("{field} has no effect; use {instead}"));
            }
        }
        warnings
    }
}

/// What is wrong with a request.
#[derive(Debug, Default)]
pub(crate) struct Errors(Vec<FieldError>);

impl Errors {
    pub(crate) fn add(&mut self, field: &str, message: String) {
        self.0.push(FieldError { field: field.to_owned(), message });
    }

    fn range(&mut self, field: &str, value: Option<u32>, least: u32, most: u32) {
        if let Some(value) = value
            && !(least..=most).contains(&value)
        {
            self.add(field, format!("{value} was asked for; {least} to {most} are allowed"));
        }
    }

    fn parsed<T: std::str::FromStr>(&mut self, field: &str, value: Option<&str>, allowed: &str) -> Option<T> {
        let text = value?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.add(field, format!("{text:?} was asked for; {allowed} are allowed"));
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    use domain::MetadataValue;
    use serde_json::json;

    use super::*;

    fn check(body: serde_json::Value) -> Result<Search, ApiError> {
        serde_json::from_value::<SearchRequest>(body).unwrap().check()
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let error = check(json!({
            "collection_uuids": [], "query": " ", "k": 0, "score_threshold": 2.0, "search_mode": "fuzzy",
            "group_by": "source", "metadata_filter": { "mime_type": [] },
        }))
        .unwrap_err();
        insta::assert_snapshot!(error.detail(), @r#"collection_uuids: 0 collections were named; name 1 to 10; query: the query has 0 characters; 1 to 1000 are allowed; k: 0 was asked for; 1 to 100 are allowed; score_threshold: 2 was asked for; 0 to 1 is allowed; search_mode: "fuzzy" was asked for; dense, sparse and hybrid are allowed; group_by: "source" was asked for; document is allowed; metadata_filter.mime_type: 0 values were given; 1 to 100 are allowed"#);
    }

    #[test]
    fn a_collection_named_twice_is_searched_once() {
        let id = Uuid::nil();
        let search =
            check(json!({ "collection_uuids": [id, id], "collection_id": id, "query": "x" })).unwrap();
        assert_eq!(search.collections, [CollectionId(id)]);
        assert_eq!((search.limit, search.score_threshold, search.mode), (None, None, None));
    }

    #[test]
    fn older_clients_are_understood() {
        let search = check(json!({
            "collection_id": Uuid::nil(), "query": "x", "top_k": 3, "search_type": "hybrid", "filters": null,
            "hybrid_alpha": 0.7, "use_hyde": null, "rerank_model": null,
        }))
        .unwrap();
        assert_eq!((search.limit, search.mode), (Some(3), Some(SearchMode::Hybrid)));
        assert_eq!(search.warnings, ["hybrid_alpha has no effect; use rrf_k"]);
    }

    #[test]
    fn attributes_are_asked_for_by_key_and_typed_value() {
        let filtered = |attributes: serde_json::Value| {
            check(json!({
                "collection_id": Uuid::nil(), "query": "x", "metadata_filter": { "attributes": attributes },
            }))
        };
        let search = filtered(json!({ "topic": "tides", "year": [2023, "2024"], "draft": false })).unwrap();
        let text = |text: &str| MetadataValue::Text(text.to_owned());
        let expected = [
            ("draft", vec![MetadataValue::Flag(false)]),
            ("topic", vec![text("tides")]),
            ("year", vec![MetadataValue::Integer(2023), text("2024")]),
        ];
        let expected = expected.map(|(key, values)| (key.to_owned(), values));
        assert_eq!(search.filter.attributes, expected.into());
        assert_eq!(filtered(json!({})).unwrap().filter, ChunkFilter::default());

        let error =
            filtered(json!({ "a b": 1, "nested": [[1], 1.5], "none": [], "null": null })).unwrap_err();
        insta::assert_snapshot!(error.detail().replace("; metadata", "\nmetadata"), @r#"
        metadata_filter.attributes: keys must be 1 to 64 of A-Z, a-z, 0-9, '_', '.' and '-', got "a b"
        metadata_filter.attributes: "nested" must be a string, a 64-bit integer or a boolean, got a list
        metadata_filter.attributes: "nested" must be a string, a 64-bit integer or a boolean, got another number
        metadata_filter.attributes.none: 0 values were given; 1 to 100 are allowed
        metadata_filter.attributes: "null" must be a string, a 64-bit integer or a boolean, got null
        "#);
        let many: serde_json::Map<_, _> = (0..33).map(|n| (n.to_string(), json!(n))).collect();
        let error = filtered(many.into()).unwrap_err();
        assert_eq!(error.detail(), "metadata_filter.attributes: must have at most 32 entries, got 33");
    }

    #[test]
    fn an_unknown_filter_is_refused_with_those_there_are() {
        let body = json!({ "collection_id": Uuid::nil(), "query": "x", "filter": { "colour": "red" } });
        let error = serde_json::from_value::<SearchRequest>(body).unwrap_err();
        insta::assert_snapshot!(error, @"unknown field `colour`, expected one of `document_id`, `source_id`, `mime_type`, `file_name`, `path_prefix`, `attributes`, `created_from`, `created_before`");
    }
}
