//! The handlers of the search routes.

use std::collections::HashMap;
use std::time::Instant;

use access::Caller;
use axum::Json;
use axum::extract::State as Shared;
use bm25::query_terms;
use db::collections::{AccessibleCollection, Collection};
use db::documents::LiveDocument;
use domain::{CollectionId, DocumentId, ErrorKind, SearchMode};
use lambda::http::{ApiError, ApiJson, ReceivedAt};
use serde_json::Value;

use crate::context::{find_neighbours, neighbours_of, parent_of};
use crate::highlight::highlight;
use crate::merge::{RankedList, ScoreType, merge};
use crate::plan::Plan;
use crate::rerank::rerank;
use crate::response::{SearchResponse, SearchResult, Timings};
use crate::results::{Ranking, count_by_collection, describe, keep_live, page};
use crate::retrieve::{Hit, Retrieved, embed, retrieve};
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
    post, path = "/api/v2/search", tag = "search",
    request_body(content = SearchRequest, example = json!({ "collection_uuids": ["7b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f"], "query": "how are tides explained", "search_mode": "hybrid" })),
    responses((status = 200, body = SearchResponse)),
)]
pub(crate) async fn search(
    Shared(state): Shared<State>,
    caller: Caller,
    received: ReceivedAt,
    ApiJson(request): ApiJson<SearchRequest>,
) -> Result<Json<SearchResponse>, ApiError> {
    answer(&state, &caller, received, SearchQuery::new(request)?).await.map(Json)
}

/// Search one collection
///
/// Does the same as `POST /api/v2/search`, under the path that v2 clients use for one collection.
#[utoipa::path(
    post, path = "/api/v2/search/single", tag = "search",
    request_body(content = SearchRequest, example = json!({ "collection_id": "7b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f", "query": "how are tides explained" })),
    responses((status = 200, body = SearchResponse)),
)]
pub(crate) async fn search_single(
    Shared(state): Shared<State>,
    caller: Caller,
    received: ReceivedAt,
    ApiJson(request): ApiJson<SearchRequest>,
) -> Result<Json<SearchResponse>, ApiError> {
    answer(&state, &caller, received, SearchQuery::new(request)?).await.map(Json)
}

/// The maximum number of attempts: a search starts again if a collection's index was swapped meanwhile.
const ATTEMPTS: usize = 3;

/// Searches one index of each collection, even if a reindex or rollback swaps indexes meanwhile.
async fn answer(
    state: &State,
    caller: &Caller,
    ReceivedAt(started): ReceivedAt,
    search: SearchQuery,
) -> Result<SearchResponse, ApiError> {
    // Until here, the time went into authentication and the rate limit.
    let mut timings = Timings { postgres_ms: millis_since(started), ..Timings::default() };
    for _ in 0..ATTEMPTS {
        if let Some(response) = attempt(state, caller, &search, started, &mut timings).await? {
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
    started: Instant,
    timings: &mut Timings,
) -> Result<Option<SearchResponse>, ApiError> {
    let lookup_started = Instant::now();
    let (collections, preferences) = look_up(state, caller, &search.collections).await?;
    let plan = Plan::new(search, preferences);
    timings.postgres_ms += millis_since(lookup_started);

    let embedding_started = Instant::now();
    let vectors = match plan.needs_vector() {
        true => embed(state, &collections, &search.query).await?,
        false => HashMap::new(),
    };
    timings.embedding_ms += millis_since(embedding_started);

    let qdrant_started = Instant::now();
    let retrieved = retrieve(state, &collections, &vectors, search, &plan).await;
    timings.qdrant_ms += millis_since(qdrant_started);
    let is_complete = retrieved.as_ref().is_ok_and(|retrieved| retrieved.failed.is_empty());
    // A swapped index explains the failure.
    if !is_complete && have_swapped(state, caller, search, &collections).await? {
        return Ok(None);
    }
    let Retrieved { lists, failed, mut warnings } = retrieved?;

    let documents_started = Instant::now();
    let documents = find_documents(state, &lists).await?;
    timings.postgres_ms += millis_since(documents_started);
    if lists.iter().flat_map(|list| &list.hits).any(|(_, hit)| is_in_another_index(hit, &documents)) {
        return Ok(None);
    }

    let mode_used = mode_used(&lists, plan.mode);
    let live = lists.into_iter().map(|list| RankedList { hits: keep_live(list.hits, &documents), ..list });
    let (hits, score_type) = merge(live.collect(), plan.rank_constant);
    let reranking_started = Instant::now();
    let (hits, reranker_model) = rerank_if_requested(state, &plan, &search.query, hits, &mut warnings).await;
    if reranker_model.is_some() {
        timings.reranking_ms += millis_since(reranking_started);
    }
    let hits = page(hits, plan.offset, plan.limit, plan.group_size);

    let neighbours_started = Instant::now();
    let is_reranked = reranker_model.is_some();
    let results = present(state, search, hits, is_reranked, &documents, &mut warnings).await;
    if search.surroundings.is_any() {
        timings.qdrant_ms += millis_since(neighbours_started);
    }
    let total_time_ms = millis_since(started);
    timings.rest_ms = total_time_ms
        - (timings.embedding_ms + timings.qdrant_ms + timings.postgres_ms + timings.reranking_ms);

    Ok(Some(SearchResponse {
        collections_searched: count_by_collection(&collections, &failed, &results),
        total_results: results.len(),
        results,
        offset: u32::try_from(plan.offset).unwrap_or(u32::MAX),
        score_type: if is_reranked { ScoreType::Reranker } else { score_type },
        query: search.query.clone(),
        search_type: search.search_type,
        search_mode_used: mode_used,
        warnings: search.warnings.iter().cloned().chain(warnings).collect(),
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

/// Returns whether the hit's document is in another index now. Generations are read together with their
/// index, so all other hits are consistent.
fn is_in_another_index(hit: &Hit<'_>, documents: &HashMap<DocumentId, LiveDocument>) -> bool {
    let document = documents.get(&hit.chunk.payload.document_id);
    document.is_some_and(|document| document.vector_store_name != hit.collection.vector_store_name)
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

/// Returns the mode of the search: the requested one, unless no collection supports it.
fn mode_used(lists: &[RankedList<Hit<'_>>], requested: SearchMode) -> SearchMode {
    let is_used = lists.is_empty() || lists.iter().any(|list| list.mode == requested);
    if is_used { requested } else { SearchMode::Dense }
}

async fn find_documents(
    state: &State,
    lists: &[RankedList<Hit<'_>>],
) -> Result<HashMap<DocumentId, LiveDocument>, ApiError> {
    let hits = lists.iter().flat_map(|list| &list.hits);
    let mut ids: Vec<DocumentId> = hits.map(|(_, hit)| hit.chunk.payload.document_id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut connection = state.db.connection().await?;
    let documents = connection.search_documents().find_live(&ids).await?;
    Ok(documents.into_iter().map(|document| (document.id, document)).collect())
}

/// Reranks the best hits if requested, and returns the reranker's name. Without a reranker, or if it fails,
/// returns the hits unchanged and adds a warning.
async fn rerank_if_requested<'a>(
    state: &State,
    plan: &Plan,
    query: &str,
    mut hits: Ranking<'a>,
    warnings: &mut Vec<String>,
) -> (Ranking<'a>, Option<String>) {
    let Some(window) = plan.rerank else {
        return (hits, None);
    };
    let Some(reranker) = &state.reranker else {
        warnings.push("no reranker is configured; the results are ranked without one".to_owned());
        return (hits, None);
    };
    let rest = hits.split_off(window.min(hits.len()));
    match rerank(reranker, query, hits).await {
        Ok(reranked) => (reranked, Some(reranker.name().to_owned())),
        Err((mut hits, error)) => {
            tracing::error!(reranker = reranker.name(), error, "reranking failed");
            warnings.push("the reranker failed; the results are ranked without it".to_owned());
            hits.extend(rest);
            (hits, None)
        }
    }
}

/// Converts hits to results, with their context and highlighting if requested.
async fn present(
    state: &State,
    search: &SearchQuery,
    hits: Ranking<'_>,
    is_reranked: bool,
    documents: &HashMap<DocumentId, LiveDocument>,
    warnings: &mut Vec<String>,
) -> Vec<SearchResult> {
    let around = match search.surroundings.is_any() {
        true => find_neighbours(state, &hits, search.surroundings, warnings).await,
        false => HashMap::new(),
    };
    let query = query_terms(&search.query);
    let mut results = Vec::with_capacity(hits.len());
    for (score, hit) in hits {
        let Surroundings { reach, parent } = search.surroundings;
        let neighbours = (reach > 0).then(|| neighbours_of(&hit.chunk.payload, reach, &around));
        let parent = if parent { parent_of(&hit.chunk.payload, &around) } else { None };
        let highlighted_text = search.highlight.then(|| highlight(&hit.chunk.payload.content, &query));
        if let Some(result) = describe(score, hit, is_reranked, documents) {
            results.push(SearchResult { neighbours, parent, highlighted_text, ..result });
        }
    }
    results
}

fn millis_since(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1000.0
}
