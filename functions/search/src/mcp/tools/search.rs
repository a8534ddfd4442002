//! `search` and `find_similar`.

use domain::SearchMode;
use lambda::http::{ApiError, FieldErrors};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Call, arguments};
use crate::filter::MetadataFilter;
use crate::handler::answer;
use crate::mcp::description::without_nulls;
use crate::mcp::result_id::ResultId;
use crate::request::SearchRequest;
use crate::response::{SearchResponse, SearchResult};
use crate::search_query::{Example, MAX_RESULTS, SearchQuery};

/// The default number of similar passages.
const SIMILAR: u32 = 10;

#[derive(Debug, Deserialize)]
struct SearchArguments {
    query: String,
    #[serde(default)]
    limit: Option<u32>,
    #[serde(default)]
    mode: Option<String>,
    #[serde(default)]
    collections: Option<Vec<String>>,
    #[serde(default)]
    filters: Option<MetadataFilter>,
}

#[derive(Debug, Deserialize)]
struct SimilarArguments {
    id: String,
    #[serde(default)]
    limit: Option<u32>,
}

impl Call<'_> {
    pub(super) async fn search(&self, given: Value) -> Result<Value, ApiError> {
        let given: SearchArguments = arguments(given)?;
        let mut errors = FieldErrors::default();
        if let Some(limit) = given.limit {
            errors.range("limit", limit, 1..=MAX_RESULTS);
        }
        if let Some(mode) = &given.mode {
            errors.keyword::<SearchMode>("mode", mode);
        }
        let filter = given.filters.map(|filters| filters.check("filters", &mut errors));
        errors.finish()?;
        let searched = {
            let mut connection = self.state.db.connection().await?;
            self.view.searched(&mut connection, given.collections.as_deref()).await?
        };
        let mut request = self.defaults();
        request.query = given.query;
        request.k = given.limit.or(request.k);
        request.search_mode = given.mode.or(request.search_mode);
        request.collection_uuids = searched.ids.iter().map(|id| id.0).collect();
        let mut search = SearchQuery::new(request)?;
        search.filter = filter.unwrap_or_default();
        search.warnings.extend(searched.warning);
        self.results(search).await
    }

    pub(super) async fn find_similar(&self, given: Value) -> Result<Value, ApiError> {
        let given: SimilarArguments = arguments(given)?;
        let mut errors = FieldErrors::default();
        let limit = errors.range("limit", given.limit.unwrap_or(SIMILAR), 1..=MAX_RESULTS);
        errors.finish()?;
        let ResultId { document_id, chunk_index } = ResultId::parse(&given.id)?;
        let (document, _) = self.document(document_id).await?;
        let example = Example { document_id, chunk_index };
        self.results(SearchQuery::similar_to(example, document.collection_id, limit)).await
    }

    /// The search settings of the profile. Those of the caller's preferences hold for what is not set.
    fn defaults(&self) -> SearchRequest {
        let mut request = SearchRequest::default();
        if let Some(profile) = &self.view.profile {
            request.k = u32::try_from(profile.result_count).ok();
            request.search_mode = Some(profile.search_mode.clone());
            request.search_type = Some(profile.search_type.clone());
            #[expect(clippy::cast_possible_truncation, reason = "between 0 and 1")]
            let threshold = profile.score_threshold.map(|threshold| threshold as f32);
            request.score_threshold = threshold;
            request.rrf_k = profile.rrf_k.and_then(|rrf_k| u32::try_from(rrf_k).ok());
            // Profiles rerank by default: where nothing can, that deserves no warning.
            request.use_reranker = Some(profile.use_reranker && self.state.reranker.is_some());
        }
        request
    }

    async fn results(&self, search: SearchQuery) -> Result<Value, ApiError> {
        let found =
            answer(self.state, &self.sender.caller, self.sender.received, search, &self.api_url).await?;
        let SearchResponse { results, warnings, failed_collections, score_type, .. } = found;
        let failed = failed_collections.iter().map(|failed| {
            format!("{:?} could not be searched: {}", failed.collection_name, failed.error_message)
        });
        let warnings: Vec<String> = warnings.into_iter().chain(failed).collect();
        let results: Vec<Value> = results.into_iter().map(describe).collect();
        Ok(json!({ "results": results, "score_type": score_type, "warnings": warnings }))
    }
}

fn describe(result: SearchResult) -> Value {
    let id = ResultId { document_id: result.document_id, chunk_index: Some(result.chunk_index) };
    let title = result.title.filter(|title| !title.trim().is_empty());
    without_nulls(json!({
        "id": id.to_string(),
        "title": title.unwrap_or_else(|| result.file_name.clone()),
        "url": result.url,
        "text": result.text,
        "score": result.score,
        "document_id": result.document_id,
        "file_name": result.file_name,
        "file_path": result.file_path,
        "section_path": result.section_path,
        "first_page": result.first_page,
        "last_page": result.last_page,
        "collection_id": result.collection_id,
        "collection_name": result.collection_name,
        "metadata": result.document_metadata,
    }))
}
