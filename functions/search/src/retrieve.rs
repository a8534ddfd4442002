//! Retrieval of hits from Qdrant.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use db::collections::Collection;
use domain::{Classify, DocumentId, ErrorKind, Quantization, SearchMode};
use embedding::QueryEmbedding;
use futures_util::future::{join_all, try_join_all};
use lambda::http::ApiError;
use lambda::metric::{self, Metric};
use uuid::Uuid;
use vectors::{CANDIDATES, ChunkQuery, ScoredChunk, VectorsError};

use crate::State;
use crate::merge::{RankedList, scale_hybrid};
use crate::plan::Plan;
use crate::response::FailedCollection;
use crate::search_query::SearchQuery;

/// A chunk that Qdrant found, with its collection.
#[derive(Debug)]
pub(crate) struct Hit<'a> {
    pub(crate) collection: &'a Collection,
    pub(crate) chunk: ScoredChunk,
}

impl Hit<'_> {
    /// Orders hits with equal scores: the oldest document first.
    pub(crate) fn age(&self) -> (DateTime<Utc>, DocumentId, i32, Uuid) {
        let payload = &self.chunk.payload;
        (payload.metadata.created_at, payload.document_id, payload.chunk_index, self.chunk.id)
    }
}

/// The hits of all collections.
#[derive(Debug, Default)]
pub(crate) struct Retrieved<'a> {
    pub(crate) lists: Vec<RankedList<Hit<'a>>>,
    pub(crate) failed: Vec<FailedCollection>,
    pub(crate) warnings: Vec<String>,
}

/// What the embedding of a query depends on: the model, and the quantization that selects its graph.
pub(crate) type Encoder<'a> = (&'a str, Quantization);

pub(crate) fn encoder(collection: &Collection) -> Encoder<'_> {
    (collection.settings.embedding_model.as_str(), collection.settings.quantization)
}

/// The query's embedding by each model of the collections.
#[derive(Debug, Default)]
pub(crate) struct EncodedQuery<'a> {
    pub(crate) vectors: HashMap<Encoder<'a>, Vec<f32>>,
    /// One warning for each model that did not read the query, or not all of it.
    pub(crate) warnings: Vec<String>,
}

/// Embeds the query with every model of the collections.
pub(crate) async fn embed<'a>(
    state: &State,
    collections: &'a [Collection],
    query: &str,
) -> Result<EncodedQuery<'a>, ApiError> {
    let encoders: HashSet<Encoder<'a>> = collections.iter().map(encoder).collect();
    let vectors = encoders.into_iter().map(|(model, quantization)| async move {
        let embedding = state.queries.embed(model, quantization, query).await?;
        Ok::<_, ApiError>(((model, quantization), embedding))
    });
    let mut encoded = EncodedQuery::default();
    for (encoder, embedding) in try_join_all(vectors).await? {
        encoded.warnings.extend(reading_warning(encoder.0, &embedding));
        encoded.vectors.insert(encoder, embedding.vector);
    }
    // The graphs of a model have one tokenizer.
    encoded.warnings.sort_unstable();
    encoded.warnings.dedup();
    Ok(encoded)
}

/// Returns what a model did not read of the query.
fn reading_warning(model: &str, embedding: &QueryEmbedding) -> Option<String> {
    if embedding.mostly_unknown {
        return Some(format!(
            "{model} does not know most of the query; its results say little, use search_mode sparse instead"
        ));
    }
    embedding
        .truncated
        .then(|| format!("the query is longer than {model} reads; only its beginning was compared"))
}

/// Searches all collections in parallel for their `depth` best chunks. Fails only if none can be searched.
pub(crate) async fn retrieve<'a>(
    state: &State,
    collections: &'a [Collection],
    vectors: &HashMap<Encoder<'a>, Vec<f32>>,
    search: &SearchQuery,
    plan: &Plan,
    depth: u64,
) -> Result<Retrieved<'a>, ApiError> {
    let requests = collections.iter().map(|collection| async move {
        let vector = vectors.get(&encoder(collection)).cloned();
        (collection, query(state, collection, vector.unwrap_or_default(), search, plan, depth).await)
    });
    let mut retrieved = Retrieved::default();
    let mut first_error: Option<ApiError> = None;
    for (collection, result) in join_all(requests).await {
        match result {
            Ok((mode, chunks)) => {
                if mode != plan.mode {
                    retrieved.warnings.push(format!(
                        "{:?} was searched in mode dense only: its index has no sparse vectors of this version; reindex it",
                        collection.name
                    ));
                }
                let may_have_more = chunks.len() as u64 >= depth && depth < CANDIDATES;
                let hits = chunks.into_iter().map(|mut chunk| {
                    if mode == SearchMode::Hybrid {
                        chunk.score = scale_hybrid(plan.rank_constant, chunk.score);
                    }
                    (chunk.score, Hit { collection, chunk })
                });
                let mut hits: Vec<(f32, Hit<'_>)> = hits.collect();
                // Qdrant returns hits of equal score in any order.
                hits.sort_by(|(left, one), (right, other)| {
                    right.total_cmp(left).then_with(|| one.age().cmp(&other.age()))
                });
                let rest = hits.last().map(|(score, _)| *score).filter(|_| may_have_more);
                let model = collection.settings.embedding_model.clone();
                retrieved.lists.push(RankedList { mode, model, hits, rest });
            }
            Err(QueryError::Vectors(error)) => {
                if let Some(dependency) = error.dependency() {
                    metric::add_of(Metric::DependencyErrors, &[dependency.as_str()], 1);
                }
                tracing::error!(collection.id = %collection.id, error = lambda::error_chain(&error), "searching a collection failed");
                let failure = failure(collection, error.kind());
                first_error.get_or_insert_with(|| unsearchable(&failure, &error));
                retrieved.failed.push(failure);
            }
            Err(QueryError::Embedding(error)) => return Err(error),
        }
    }
    match first_error {
        Some(error) if retrieved.lists.is_empty() => Err(error),
        _ => Ok(retrieved),
    }
}

enum QueryError {
    Vectors(VectorsError),
    Embedding(ApiError),
}

/// Searches one collection, and returns the mode: a collection without sparse vectors is searched in mode
/// dense, whatever the request says.
async fn query(
    state: &State,
    collection: &Collection,
    vector: Vec<f32>,
    search: &SearchQuery,
    plan: &Plan,
    depth: u64,
) -> Result<(SearchMode, Vec<ScoredChunk>), QueryError> {
    let name = &collection.vector_store_name;
    let mut request = ChunkQuery {
        mode: plan.mode,
        vector,
        text: search.query.clone(),
        rank_constant: plan.rank_constant,
        min_similarity: plan.min_similarity,
        filter: search.filter.clone(),
        limit: depth,
        exact: false,
    };
    match state.vectors.search(name, &request).await {
        Ok(chunks) => Ok((plan.mode, chunks)),
        Err(VectorsError::VectorMissing { .. }) if plan.mode != SearchMode::Dense => {
            request.mode = SearchMode::Dense;
            if request.vector.is_empty() {
                let (model, quantization) = encoder(collection);
                let vector = state.queries.embed(model, quantization, &search.query).await;
                request.vector = vector.map_err(QueryError::Embedding)?.vector;
            }
            let chunks = state.vectors.search(name, &request).await.map_err(QueryError::Vectors)?;
            Ok((SearchMode::Dense, chunks))
        }
        // No document has metadata: the payload index is created with the first one that does.
        Err(VectorsError::AttributesMissing { .. }) => Ok((plan.mode, Vec::new())),
        // The index is created with the first document.
        Err(VectorsError::NotFound { .. }) if collection.vector_count == 0 => Ok((plan.mode, Vec::new())),
        Err(error) => Err(QueryError::Vectors(error)),
    }
}

/// Returns the error of a search that found no collection to search.
fn unsearchable(failure: &FailedCollection, error: &VectorsError) -> ApiError {
    match error.kind() {
        ErrorKind::Internal => ApiError::internal(error),
        _ => ApiError::unavailable(
            error,
            format!("Collection {:?} cannot be searched: {}", failure.collection_name, failure.error_message),
        ),
    }
}

fn failure(collection: &Collection, kind: ErrorKind) -> FailedCollection {
    FailedCollection {
        collection_id: collection.id,
        collection_name: collection.name.clone(),
        error: format!("{kind:?}").to_lowercase(),
        error_message: if kind == ErrorKind::NotFound {
            "its index is missing; ask an administrator to rebuild it".to_owned()
        } else {
            "its index is temporarily unavailable; retry in a few seconds".to_owned()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_that_a_model_does_not_read_have_a_warning() {
        let warning = |truncated, mostly_unknown| {
            reading_warning("small", &QueryEmbedding { vector: vec![1.0], truncated, mostly_unknown })
        };
        assert_eq!(warning(false, false), None);
        let cut = "the query is longer than small reads; only its beginning was compared";
        assert_eq!(warning(true, false).as_deref(), Some(cut));
        let unknown =
            "small does not know most of the query; its results say little, use search_mode sparse instead";
        assert_eq!(warning(true, true).as_deref(), Some(unknown));
    }
}
