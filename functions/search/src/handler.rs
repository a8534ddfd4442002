//! One search, from the query to the answer.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use axum::Json;
use axum::extract::State as Shared;
use db::collections::{AccessibleCollection, Collection};
use db::search_documents::LiveDocument;
use domain::{CollectionId, DocumentId, ErrorKind, Quantization};
use futures_util::future::{join_all, try_join_all};
use guard::Caller;
use lambda::http::{ApiError, ApiJson, Problem};
use serde_json::json;
use vectors::{DenseQuery, ScoredChunk, VectorsError};

use crate::merge::{Ranked, merge};
use crate::query_vector::embed_query;
use crate::request::Search;
use crate::response::{CollectionResult, FailedCollection, SearchResponse, SearchResult, Timings};
use crate::{SearchRequest, SingleSearchRequest, State};

/// Search collections by meaning
///
/// Collections of different models are merged by rank. A collection that does not answer is named
/// in `failed_collections`; the others still answer.
#[utoipa::path(
    post, path = "/api/v2/search", tag = "search", request_body = SearchRequest,
    responses(
        (status = 200, body = SearchResponse),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "The body is no JSON."),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "A collection does not exist, or the caller may not read it."),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "The body is too large."),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "The body is not announced as JSON."),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "A field is wrong; `errors` names it."),
    ),
)]
pub(crate) async fn search(
    Shared(state): Shared<State>,
    caller: Caller,
    ApiJson(request): ApiJson<SearchRequest>,
) -> Result<Json<SearchResponse>, ApiError> {
    answer(&state, &caller, request.check()?).await.map(Json)
}

/// Search one collection by meaning
#[utoipa::path(
    post, path = "/api/v2/search/single", tag = "search", request_body = SingleSearchRequest,
    responses(
        (status = 200, body = SearchResponse),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "The body is no JSON."),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "A collection does not exist, or the caller may not read it."),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "The body is too large."),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "The body is not announced as JSON."),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "A field is wrong; `errors` names it."),
    ),
)]
pub(crate) async fn search_single(
    Shared(state): Shared<State>,
    caller: Caller,
    ApiJson(request): ApiJson<SingleSearchRequest>,
) -> Result<Json<SearchResponse>, ApiError> {
    answer(&state, &caller, SearchRequest::from(request).check()?).await.map(Json)
}

/// A chunk that Qdrant found, with the collection it is in.
struct Hit<'a> {
    collection: &'a Collection,
    chunk: ScoredChunk,
}

impl Ranked for Hit<'_> {
    fn score(&self) -> f32 {
        self.chunk.score
    }

    fn model(&self) -> &str {
        &self.collection.settings.embedding_model
    }
}

/// How often a search is begun: anew where a collection got another index under its hands.
const TRIES: usize = 3;

/// Answers from one index of each collection, whatever happens to them meanwhile.
async fn answer(state: &State, caller: &Caller, search: Search) -> Result<SearchResponse, ApiError> {
    let started = Instant::now();
    let mut timings = Timings::default();
    for _ in 0..TRIES {
        if let Some(response) = attempt(state, caller, &search, started, &mut timings).await? {
            return Ok(response);
        }
    }
    let reason = "a collection is being reindexed again and again; try again in a few seconds";
    Err(ApiError::new(ErrorKind::Unavailable, reason))
}

/// One try; nothing if a collection answers from another index by now.
async fn attempt(
    state: &State,
    caller: &Caller,
    search: &Search,
    started: Instant,
    timings: &mut Timings,
) -> Result<Option<SearchResponse>, ApiError> {
    let lookup_started = Instant::now();
    let collections = find_collections(state, caller, &search.collections).await?;
    timings.postgres_ms += millis_since(lookup_started);

    let embedding_started = Instant::now();
    let vectors = embed(state, &collections, &search.query).await?;
    timings.embedding_ms += millis_since(embedding_started);

    let qdrant_started = Instant::now();
    let answers = ask_qdrant(state, &collections, &vectors, search).await;
    timings.qdrant_ms += millis_since(qdrant_started);
    let is_whole = answers.as_ref().is_ok_and(|(_, failed)| failed.is_empty());
    // What an index that was replaced does not answer is no failure.
    if !is_whole && have_moved(state, caller, search, &collections).await? {
        return Ok(None);
    }
    let (lists, failed) = answers?;

    let documents_started = Instant::now();
    let documents = find_documents(state, &lists).await?;
    timings.postgres_ms += millis_since(documents_started);
    if lists.iter().flatten().any(|hit| is_of_another_index(hit, &documents)) {
        return Ok(None);
    }

    let live = lists.into_iter().map(|list| keep_live(list, &documents)).collect();
    let results: Vec<SearchResult> =
        merge(live, search.limit as usize).into_iter().filter_map(|hit| describe(hit, &documents)).collect();
    let total_time_ms = millis_since(started);
    timings.rest_ms = total_time_ms - timings.embedding_ms - timings.qdrant_ms - timings.postgres_ms;

    Ok(Some(SearchResponse {
        collections_searched: count_by_collection(&collections, &failed, &results),
        total_results: results.len(),
        results,
        query: search.query.clone(),
        search_type: search.search_type.clone(),
        search_mode_used: "dense",
        warnings: search.warnings.clone(),
        reranking_used: false,
        reranker_model: None,
        embedding_time_ms: timings.embedding_ms,
        search_time_ms: timings.qdrant_ms,
        reranking_time_ms: None,
        total_time_ms,
        timings: *timings,
        hyde_used: false,
        partial_failure: !failed.is_empty(),
        failed_collections: failed,
        api_version: "2.0",
    }))
}

/// Whether one of the collections answers from another index by now.
async fn have_moved(
    state: &State,
    caller: &Caller,
    search: &Search,
    asked: &[Collection],
) -> Result<bool, ApiError> {
    let now = find_collections(state, caller, &search.collections).await?;
    Ok(asked.iter().zip(&now).any(|(asked, now)| asked.vector_store_name != now.vector_store_name))
}

/// Whether the hit's document is in another index by now. Generations are read together with the
/// index that they are in, so what is left is right.
fn is_of_another_index(hit: &Hit<'_>, documents: &HashMap<DocumentId, LiveDocument>) -> bool {
    let document = documents.get(&hit.chunk.payload.document_id);
    document.is_some_and(|document| document.vector_store_name != hit.collection.vector_store_name)
}

/// The collections in the order in which they were named, all of them readable by the caller.
async fn find_collections(
    state: &State,
    caller: &Caller,
    ids: &[CollectionId],
) -> Result<Vec<Collection>, ApiError> {
    let mut connection = state.db.connection().await?;
    let found = connection.collections().find_accessible_many(ids, &caller.principal).await?;
    let mut by_id: HashMap<CollectionId, AccessibleCollection> =
        found.into_iter().map(|found| (found.collection.id, found)).collect();
    let take = |id: &CollectionId| {
        let found = by_id.remove(id).ok_or_else(|| ApiError::not_found("collection", id))?;
        Ok(found.collection)
    };
    ids.iter().map(take).collect()
}

/// What a query's vector depends on beside the query: the model, and the quantization that chooses
/// among its graphs.
type Encoder<'a> = (&'a str, Quantization);

fn encoder(collection: &Collection) -> Encoder<'_> {
    (collection.settings.embedding_model.as_str(), collection.settings.quantization)
}

/// The query's vector for every model of the collections.
async fn embed<'a>(
    state: &State,
    collections: &'a [Collection],
    query: &str,
) -> Result<HashMap<Encoder<'a>, Vec<f32>>, ApiError> {
    let encoders: HashSet<Encoder<'a>> = collections.iter().map(encoder).collect();
    let vectors = encoders.into_iter().map(|(model, quantization)| async move {
        let vector = embed_query(&state.embedders, model, quantization, query).await?;
        Ok::<_, ApiError>(((model, quantization), vector))
    });
    Ok(try_join_all(vectors).await?.into_iter().collect())
}

/// Asks all collections at once. Fails only if none answers.
async fn ask_qdrant<'a>(
    state: &State,
    collections: &'a [Collection],
    vectors: &HashMap<Encoder<'a>, Vec<f32>>,
    search: &Search,
) -> Result<(Vec<Vec<Hit<'a>>>, Vec<FailedCollection>), ApiError> {
    let asked = collections.iter().map(|collection| async move {
        let vector = vectors.get(&encoder(collection)).cloned().unwrap_or_default();
        let query = DenseQuery {
            vector,
            // A few more than asked for: hits of replaced generations are dropped afterwards.
            limit: u64::from(search.limit + search.limit / 4 + 4),
            offset: 0,
            score_threshold: search.score_threshold,
            exact: false,
        };
        (collection, state.vectors.search(&collection.vector_store_name, &query).await)
    });
    let mut lists = Vec::new();
    let mut failed = Vec::new();
    let mut first_error: Option<VectorsError> = None;
    for (collection, answer) in join_all(asked).await {
        match answer {
            Ok(chunks) => lists.push(chunks.into_iter().map(|chunk| Hit { collection, chunk }).collect()),
            Err(error) => {
                tracing::error!(collection.id = %collection.id, error = lambda::error_chain(&error), "collection could not be searched");
                failed.push(failure(collection, &error));
                first_error.get_or_insert(error);
            }
        }
    }
    match first_error {
        Some(error) if lists.is_empty() => Err(error.into()),
        _ => Ok((lists, failed)),
    }
}

fn failure(collection: &Collection, error: &VectorsError) -> FailedCollection {
    use domain::Classify;
    let kind = error.kind();
    FailedCollection {
        collection_id: collection.id,
        collection_name: collection.name.clone(),
        error: format!("{kind:?}").to_lowercase(),
        error_message: if kind == domain::ErrorKind::NotFound {
            "the collection is not set up yet; wait for its first operation to complete".to_owned()
        } else {
            "the collection does not answer; try again in a few seconds".to_owned()
        },
    }
}

async fn find_documents(
    state: &State,
    lists: &[Vec<Hit<'_>>],
) -> Result<HashMap<DocumentId, LiveDocument>, ApiError> {
    let mut ids: Vec<DocumentId> = lists.iter().flatten().map(|hit| hit.chunk.payload.document_id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut connection = state.db.connection().await?;
    let documents = connection.search_documents().find_live(&ids).await?;
    Ok(documents.into_iter().map(|document| (document.id, document)).collect())
}

/// Drops hits whose document is gone or has moved on to another generation.
fn keep_live<'a>(list: Vec<Hit<'a>>, documents: &HashMap<DocumentId, LiveDocument>) -> Vec<Hit<'a>> {
    let is_live = |hit: &Hit<'_>| {
        let document = documents.get(&hit.chunk.payload.document_id);
        document.is_some_and(|document| document.generation == hit.chunk.payload.generation)
    };
    list.into_iter().filter(is_live).collect()
}

fn describe(hit: Hit<'_>, documents: &HashMap<DocumentId, LiveDocument>) -> Option<SearchResult> {
    let Hit { collection, chunk } = hit;
    let document = documents.get(&chunk.payload.document_id)?;
    Some(SearchResult {
        document_id: document.id,
        chunk_id: chunk.id,
        score: chunk.score,
        original_score: chunk.score,
        reranked_score: None,
        metadata: json!(chunk.payload.metadata),
        text: chunk.payload.content,
        file_name: document.file_name.clone(),
        file_path: document.file_path.clone(),
        chunk_index: u32::try_from(chunk.payload.chunk_index).unwrap_or_default(),
        total_chunks: u32::try_from(document.chunk_count).unwrap_or_default(),
        collection_id: collection.id,
        collection_name: collection.name.clone(),
        embedding_model: collection.settings.embedding_model.clone(),
    })
}

fn count_by_collection(
    collections: &[Collection],
    failed: &[FailedCollection],
    results: &[SearchResult],
) -> Vec<CollectionResult> {
    let answered = collections
        .iter()
        .filter(|collection| failed.iter().all(|failed| failed.collection_id != collection.id));
    answered
        .map(|collection| CollectionResult {
            id: collection.id,
            name: collection.name.clone(),
            result_count: results.iter().filter(|result| result.collection_id == collection.id).count(),
        })
        .collect()
}

fn millis_since(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1000.0
}
