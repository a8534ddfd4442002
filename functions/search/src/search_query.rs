//! A search after validation.

use domain::{CollectionId, DocumentId, SearchMode, SearchType};
use lambda::http::{ApiError, FieldErrors};
use vectors::ChunkFilter;

use crate::request::SearchRequest;
use crate::schemas::GROUPS;

/// The maximum number of collections of one search.
const MAX_COLLECTIONS: usize = 10;
/// The maximum length of a query, in characters.
const MAX_QUERY_CHARS: usize = 1000;
/// The maximum number of results.
pub(crate) const MAX_RESULTS: u32 = 100;
/// The maximum number of results to skip.
const MAX_OFFSET: u32 = 900;
/// The maximum number of chunks per document in grouped results.
const MAX_GROUP_SIZE: u32 = 10;
/// The maximum number of neighbours on each side of a result.
const MAX_CONTEXT: u32 = 3;

/// A valid search. Fields that the request leaves out are `None`: preferences and defaults apply.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SearchQuery {
    /// The collections in the order of the request, without duplicates.
    pub(crate) collections: Vec<CollectionId>,
    pub(crate) query: String,
    /// What to compare with in place of the query.
    pub(crate) example: Option<Example>,
    pub(crate) limit: Option<u32>,
    pub(crate) offset: u32,
    pub(crate) mode: Option<SearchMode>,
    pub(crate) search_type: SearchType,
    pub(crate) rank_constant: Option<u32>,
    pub(crate) score_threshold: Option<f32>,
    pub(crate) filter: ChunkFilter,
    /// The maximum number of chunks per document, where results are grouped.
    pub(crate) group_size: Option<u32>,
    /// Whether passages with the same text are shown once.
    pub(crate) collapses: bool,
    pub(crate) highlight: bool,
    pub(crate) surroundings: Surroundings,
    pub(crate) use_reranker: Option<bool>,
    pub(crate) warnings: Vec<String>,
}

/// An indexed chunk or document that results are similar to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Example {
    pub(crate) document_id: DocumentId,
    /// The chunk; `None` for the whole document.
    pub(crate) chunk_index: Option<u32>,
}

/// The context to return with each result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Surroundings {
    /// Neighbouring chunks on each side.
    pub(crate) reach: u32,
    /// Whether to return the parent chunk.
    pub(crate) parent: bool,
}

impl Surroundings {
    /// Returns whether any context is requested.
    pub(crate) fn is_any(self) -> bool {
        self.reach > 0 || self.parent
    }
}

impl SearchQuery {
    /// Validates a request.
    ///
    /// # Errors
    /// Returns `Invalid` with every invalid field.
    pub(crate) fn new(request: SearchRequest) -> Result<Self, ApiError> {
        let mut errors = FieldErrors::default();
        let collections = collections(&request, &mut errors);
        let query = request.query.trim().to_owned();
        errors.length("query", &query, 1..=MAX_QUERY_CHARS);
        for (field, value, allowed) in [
            ("k", request.k, 1..=MAX_RESULTS),
            ("offset", request.offset, 0..=MAX_OFFSET),
            ("rrf_k", request.rrf_k, 1..=1000),
            ("group_size", request.group_size, 1..=MAX_GROUP_SIZE),
            ("context_chunks", request.context_chunks, 0..=MAX_CONTEXT),
        ] {
            if let Some(value) = value {
                errors.range(field, value, allowed);
            }
        }
        if let Some(threshold) = request.score_threshold {
            errors.range("score_threshold", threshold, 0.0..=1.0);
        }
        let mode = request.search_mode.as_deref().and_then(|mode| errors.keyword("search_mode", mode));
        let search_type = request.search_type.as_deref().and_then(|text| errors.keyword("search_type", text));
        let search_type = search_type.unwrap_or(SearchType::Semantic);
        let mode_of_type = (search_type == SearchType::Hybrid).then_some(SearchMode::Hybrid);
        if let Some(group_by) = &request.group_by {
            errors.one_of("group_by", group_by, &GROUPS);
        }
        let is_grouped = request.group_by.is_some() || request.group_size.is_some();
        let warnings = warnings(&request);
        let filter = request
            .metadata_filter
            .map(|filter| filter.check("metadata_filter", &mut errors))
            .unwrap_or_default();
        errors.finish()?;
        Ok(Self {
            collections,
            query,
            example: None,
            limit: request.k,
            offset: request.offset.unwrap_or(0),
            mode: mode.or(mode_of_type),
            search_type,
            rank_constant: request.rrf_k,
            score_threshold: request.score_threshold,
            filter,
            group_size: is_grouped.then(|| request.group_size.unwrap_or(1)),
            collapses: request.collapse_duplicates.unwrap_or(true),
            highlight: request.highlight.unwrap_or(false),
            surroundings: Surroundings {
                reach: request.context_chunks.unwrap_or(0),
                parent: request.include_parent.unwrap_or(false),
            },
            use_reranker: request.use_reranker,
            warnings,
        })
    }
}

impl SearchQuery {
    /// Searches a collection for chunks of other documents that are similar to an example.
    pub(crate) fn similar_to(example: Example, collection: CollectionId, limit: u32) -> Self {
        Self {
            collections: vec![collection],
            query: String::new(),
            example: Some(example),
            limit: Some(limit),
            offset: 0,
            mode: Some(SearchMode::Dense),
            search_type: SearchType::Semantic,
            rank_constant: None,
            // That of the caller's preferences is meant for queries.
            score_threshold: Some(0.0),
            filter: ChunkFilter {
                excluded_document_ids: vec![example.document_id],
                ..ChunkFilter::default()
            },
            group_size: None,
            collapses: true,
            highlight: false,
            surroundings: Surroundings { reach: 0, parent: false },
            use_reranker: Some(false),
            warnings: Vec::new(),
        }
    }
}

fn collections(request: &SearchRequest, errors: &mut FieldErrors) -> Vec<CollectionId> {
    let mut collections: Vec<CollectionId> = Vec::new();
    for id in request.collection_uuids.iter().chain(&request.collection_id) {
        if !collections.contains(&CollectionId(*id)) {
            collections.push(CollectionId(*id));
        }
    }
    errors.count("collection_uuids", collections.len(), 1..=MAX_COLLECTIONS);
    collections
}

/// Returns a warning for each field that is accepted for compatibility and has no effect.
fn warnings(request: &SearchRequest) -> Vec<String> {
    let mut warnings = Vec::new();
    if request.use_hyde == Some(true) {
        warnings.push("use_hyde has no effect: no language model is configured".to_owned());
    }
    for (field, is_given, instead) in [
        ("hybrid_alpha", request.hybrid_alpha.is_some(), "rrf_k"),
        ("hybrid_mode", request.hybrid_mode.is_some(), "search_mode"),
        ("keyword_mode", request.keyword_mode.is_some(), "search_mode"),
    ] {
        if is_given {
            warnings.push(format!("{field} has no effect; use {instead}"));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use domain::MetadataValue;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn check(body: serde_json::Value) -> Result<SearchQuery, ApiError> {
        SearchQuery::new(serde_json::from_value::<SearchRequest>(body).unwrap())
    }

    #[test]
    fn every_invalid_field_is_reported_at_once() {
        let error = check(json!({
            "collection_uuids": [], "query": " ", "k": 0, "score_threshold": 2.0, "search_mode": "fuzzy",
            "group_by": "source", "metadata_filter": { "mime_type": [] },
        }))
        .unwrap_err();
        insta::assert_snapshot!(error.detail().replace("; ", ";\n"), @r#"
        collection_uuids: wrong number of items;
        1 to 10 allowed, got 0;
        query: wrong length;
        1 to 1000 characters allowed, got 0;
        k: out of range;
        1 to 100 allowed, got 0;
        score_threshold: out of range;
        0 to 1 allowed, got 2;
        search_mode: unknown search mode;
        dense, sparse, hybrid allowed, got "fuzzy";
        group_by: unknown value;
        document allowed, got "source";
        metadata_filter.mime_type: wrong number of items;
        1 to 100 allowed, got 0
        "#);
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
    fn fields_of_older_clients_are_accepted() {
        let search = check(json!({
            "collection_id": Uuid::nil(), "query": "x", "top_k": 3, "search_type": "hybrid", "filters": null,
            "hybrid_alpha": 0.7, "use_hyde": null, "rerank_model": null,
        }))
        .unwrap();
        assert_eq!((search.limit, search.mode), (Some(3), Some(SearchMode::Hybrid)));
        assert_eq!(search.warnings, ["hybrid_alpha has no effect; use rrf_k"]);
    }

    #[test]
    fn attribute_filters_match_key_and_typed_value() {
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
        metadata_filter.attributes: wrong key; 1 to 64 of A-Z, a-z, 0-9, '_', '.' and '-' allowed, got "a b"
        metadata_filter.attributes: "nested" has a wrong type; a string, a 64-bit integer or a boolean allowed, got a list
        metadata_filter.attributes: "nested" has a wrong type; a string, a 64-bit integer or a boolean allowed, got another number
        metadata_filter.attributes.none: wrong number of items; 1 to 100 allowed, got 0
        metadata_filter.attributes: "null" has a wrong type; a string, a 64-bit integer or a boolean allowed, got null
        "#);
        let many: serde_json::Map<_, _> = (0..33).map(|n| (n.to_string(), json!(n))).collect();
        let error = filtered(many.into()).unwrap_err();
        assert_eq!(
            error.detail(),
            "metadata_filter.attributes: too many entries; at most 32 allowed, got 33"
        );
    }
}
