//! The handlers of the search routes.

use std::collections::HashMap;
use std::time::Instant;

use access::Caller;
use axum::Json;
use axum::extract::State as Shared;
use bm25::query_terms;
use db::collections::{AccessibleCollection, Collection};
use db::documents::LiveDocument;
use domain::{CollectionId, DocumentId, ErrorKind};
use lambda::http::{ApiError, ApiJson, BaseUrl, ReceivedAt};
use lambda::metric::{self, Metric};
use serde_json::Value;

use crate::context::{find_neighbours, neighbours_of, parent_of};
use crate::example::embedding_of;
use crate::find::{Encoded, Found, find, millis_since};
use crate::highlight::highlight;
use crate::merge::ScoreType;
use crate::plan::Plan;
use crate::rerank::rerank;
use crate::response::{SearchResponse, SearchResult, Timings};
use crate::results::{Ranking, count_by_collection, describe, page};
use crate::retrieve::{EncodedQuery, embed};
use crate::search_query::{SearchQuery, Surroundings};
use crate::{SearchRequest, State};

/// Search collections
///
/// Compares embeddings, terms (BM25), or both. Results of several collections are merged: cosine
/// similarities of the same model are compared directly; all other scores are not comparable across
/// collections, and are fused by rank. `score_type` names the kind of score; `score_threshold` is a cosine
/// similarity in every mode. A collection that cannot be searched is listed in `failed_collections`, and
/// the response has the results of the others.
#[utoipa::path(
    post, path = "/api/v2/search", operation_id = "searchCollections", tag = "search",
    request_body(content = SearchRequest, example = json!({ "collection_uuids": ["7b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f"], "query": "how are tides explained", "search_mode": "hybrid" })),
    responses((status = 200, body = SearchResponse)),
)]
pub(crate) async fn search(
    Shared(state): Shared<State>,
    caller: Caller,
    received: ReceivedAt,
    base_url: BaseUrl,
    ApiJson(request): ApiJson<SearchRequest>,
) -> Result<Json<SearchResponse>, ApiError> {
    let api_url = base_url.configured(state.api_url.as_deref());
    answer(&state, &caller, received, SearchQuery::new(request)?, &api_url).await.map(Json)
}

/// Search one collection
///
/// Does the same as `POST /api/v2/search`, under the path that v2 clients use for one collection.
#[utoipa::path(
    post, path = "/api/v2/search/single", operation_id = "searchCollection", tag = "search",
    request_body(content = SearchRequest, example = json!({ "collection_id": "7b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f", "query": "how are tides explained" })),
    responses((status = 200, body = SearchResponse)),
)]
pub(crate) async fn search_single(
    Shared(state): Shared<State>,
    caller: Caller,
    received: ReceivedAt,
    base_url: BaseUrl,
    ApiJson(request): ApiJson<SearchRequest>,
) -> Result<Json<SearchResponse>, ApiError> {
    let api_url = base_url.configured(state.api_url.as_deref());
    answer(&state, &caller, received, SearchQuery::new(request)?, &api_url).await.map(Json)
}

/// The maximum number of attempts: a search starts again if a collection's index was swapped meanwhile.
const ATTEMPTS: usize = 3;

/// Searches one index of each collection, even if a reindex or rollback swaps indexes meanwhile.
pub(crate) async fn answer(
    state: &State,
    caller: &Caller,
    ReceivedAt(started): ReceivedAt,
    search: SearchQuery,
    api_url: &str,
) -> Result<SearchResponse, ApiError> {
    // Until here, the time went into authentication and the rate limit.
    let mut timings = Timings { postgres_ms: millis_since(started), ..Timings::default() };
    for _ in 0..ATTEMPTS {
        if let Some(response) = attempt(state, caller, &search, api_url, started, &mut timings).await? {
            return Ok(response);
        }
    }
    let reason = "A collection is being reindexed repeatedly; retry in a few seconds";
    Err(ApiError::new(ErrorKind::Unavailable, reason))
}

/// Searches once. Returns `None` if the index of a collection was swapped meanwhile.
async fn attempt(
    state: &State,
    caller: &Caller,
    search: &SearchQuery,
    api_url: &str,
    started: Instant,
    timings: &mut Timings,
) -> Result<Option<SearchResponse>, ApiError> {
    let lookup_started = Instant::now();
    let (collections, preferences) = look_up(state, caller, &search.collections).await?;
    let plan = Plan::new(search, preferences);
    timings.postgres_ms += millis_since(lookup_started);

    let embedding_started = Instant::now();
    let query = match (search.example, plan.needs_vector()) {
        (Some(example), _) => match embedding_of(state, &collections, example).await? {
            Some(query) => query,
            None => return Ok(None),
        },
        (None, true) => embed(state, &collections, &search.query).await?,
        (None, false) => EncodedQuery::default(),
    };
    timings.embedding_ms += millis_since(embedding_started);

    let encoded = Encoded { collections: &collections, vectors: &query.vectors };
    let Some(found) = find(state, search, &plan, encoded, timings).await? else {
        return Ok(None);
    };
    let Found { passages, score_type, mode_used, documents, failed, mut warnings } = match found {
        Ok(found) if found.failed.is_empty() => found,
        // A swapped index explains the failure.
        _ if have_swapped(state, caller, search, &collections).await? => return Ok(None),
        found => found?,
    };

    let reranking_started = Instant::now();
    let (passages, reranker_model) =
        rerank_if_requested(state, &plan, &search.query, passages, &mut warnings).await;
    if reranker_model.is_some() {
        timings.reranking_ms += millis_since(reranking_started);
    }
    let passages = page(passages, plan.offset, plan.limit, plan.group_size);

    let neighbours_started = Instant::now();
    let is_reranked = reranker_model.is_some();
    let results = present(state, search, passages, is_reranked, &documents, api_url, &mut warnings).await;
    if search.surroundings.is_any() {
        timings.qdrant_ms += millis_since(neighbours_started);
    }
    let total_time_ms = millis_since(started);
    timings.rest_ms = total_time_ms
        - (timings.embedding_ms + timings.qdrant_ms + timings.postgres_ms + timings.reranking_ms);
    metric::observe(Metric::SearchTime, total_time_ms);
    metric::observe(Metric::SearchEmbeddingTime, timings.embedding_ms);
    metric::observe(Metric::SearchQdrantTime, timings.qdrant_ms);
    metric::observe(Metric::SearchDatabaseTime, timings.postgres_ms);

    Ok(Some(SearchResponse {
        collections_searched: count_by_collection(&collections, &failed, &results),
        total_results: results.len(),
        results,
        offset: u32::try_from(plan.offset).unwrap_or(u32::MAX),
        score_type: if is_reranked { ScoreType::Reranker } else { score_type },
        query: search.query.clone(),
        search_type: search.search_type,
        search_mode_used: mode_used,
        warnings: search.warnings.iter().cloned().chain(query.warnings).chain(warnings).collect(),
        reranking_used: is_reranked,
        reranker_model,
        embedding_time_ms: timings.embedding_ms,
        search_time_ms: timings.qdrant_ms,
        reranking_time_ms: is_reranked.then_some(timings.reranking_ms),
        total_time_ms,
        timings: *timings,
        hyde_used: false,
        partial_failure: !failed.is_empty(),
        failed_collections: failed,
        api_version: "2.0",
    }))
}

/// Returns whether the index of a collection was swapped.
async fn have_swapped(
    state: &State,
    caller: &Caller,
    search: &SearchQuery,
    before: &[Collection],
) -> Result<bool, ApiError> {
    let (now, _) = look_up(state, caller, &search.collections).await?;
    Ok(before.iter().zip(&now).any(|(before, now)| before.vector_store_name != now.vector_store_name))
}

/// Loads the collections in the order of the request, all of them readable by the caller, and the caller's
/// search preferences.
async fn look_up(
    state: &State,
    caller: &Caller,
    ids: &[CollectionId],
) -> Result<(Vec<Collection>, Value), ApiError> {
    let mut connection = state.db.connection().await?;
    let found = connection.collections().find_accessible_many(ids, &caller.principal).await?;
    let mut by_id: HashMap<CollectionId, AccessibleCollection> =
        found.into_iter().map(|found| (found.collection.id, found)).collect();
    let take = |id: &CollectionId| {
        let found = by_id.remove(id).ok_or_else(|| ApiError::not_found("collection", id))?;
        Ok::<_, ApiError>(found.collection)
    };
    let collections = ids.iter().map(take).collect::<Result<_, _>>()?;
    let preferences = connection.user_preferences().find(caller.principal.user_id).await?;
    Ok((collections, preferences.map(|preferences| preferences.search).unwrap_or_default()))
}

/// Reranks the best passages if requested, and returns the reranker's name. Without a reranker, or if it
/// fails, returns the passages unchanged and adds a warning.
async fn rerank_if_requested<'a>(
    state: &State,
    plan: &Plan,
    query: &str,
    mut passages: Ranking<'a>,
    warnings: &mut Vec<String>,
) -> (Ranking<'a>, Option<String>) {
    let Some(window) = plan.rerank else {
        return (passages, None);
    };
    let Some(reranker) = &state.reranker else {
        warnings.push("no reranker is configured; the results are ranked without one".to_owned());
        return (passages, None);
    };
    let reranker = match reranker.get().await {
        Ok(reranker) => reranker,
        Err(error) => {
            tracing::error!(error = lambda::error_chain(error.as_ref()), "the reranker cannot be opened");
            warnings.push("the reranker cannot be opened; the results are ranked without it".to_owned());
            return (passages, None);
        }
    };
    let rest = passages.split_off(window.min(passages.len()));
    match rerank(&reranker, query, passages).await {
        Ok(reranked) => (reranked, Some(reranker.name().to_owned())),
        Err((mut passages, error)) => {
            tracing::error!(reranker = reranker.name(), error, "reranking failed");
            warnings.push("the reranker failed; the results are ranked without it".to_owned());
            passages.extend(rest);
            (passages, None)
        }
    }
}

/// Converts passages to results, with their context and highlighting if requested.
async fn present(
    state: &State,
    search: &SearchQuery,
    passages: Ranking<'_>,
    is_reranked: bool,
    documents: &HashMap<DocumentId, LiveDocument>,
    api_url: &str,
    warnings: &mut Vec<String>,
) -> Vec<SearchResult> {
    let around = match search.surroundings.is_any() {
        true => find_neighbours(state, &passages, search.surroundings, warnings).await,
        false => HashMap::new(),
    };
    let query = query_terms(&search.query);
    let mut results = Vec::with_capacity(passages.len());
    for (score, passage) in passages {
        let Surroundings { reach, parent } = search.surroundings;
        let neighbours = (reach > 0).then(|| neighbours_of(&passage.hit.chunk.payload, reach, &around));
        let parent = if parent { parent_of(&passage.hit.chunk.payload, &around) } else { None };
        let highlighted_text =
            search.highlight.then(|| highlight(&passage.hit.chunk.payload.content, &query));
        if let Some(result) = describe(score, passage, is_reranked, documents, api_url) {
            results.push(SearchResult { neighbours, parent, highlighted_text, ..result });
        }
    }
    results
}
