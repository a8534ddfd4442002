//! Asks Qdrant for the hits of all collections.

use std::collections::{HashMap, HashSet};

use db::collections::Collection;
use domain::{Classify, ErrorKind, Quantization, SearchMode};
use futures_util::future::{join_all, try_join_all};
use lambda::http::ApiError;
use vectors::{ChunkQuery, ScoredChunk, VectorsError};

use crate::State;
use crate::merge::{RankedList, scale_hybrid};
use crate::plan::Plan;
use crate::request::Search;
use crate::response::FailedCollection;

/// A chunk that Qdrant found, with the collection it is in.
#[derive(Debug)]
pub(crate) struct Hit<'a> {
    pub(crate) collection: &'a Collection,
    pub(crate) chunk: ScoredChunk,
}

/// What the collections answered.
#[derive(Debug, Default)]
pub(crate) struct Answers<'a> {
    pub(crate) lists: Vec<RankedList<Hit<'a>>>,
    pub(crate) failed: Vec<FailedCollection>,
    pub(crate) warnings: Vec<String>,
}

/// What a query's vector depends on beside the query: the model, and the quantization that chooses
/// among its graphs.
pub(crate) type Encoder<'a> = (&'a str, Quantization);

fn encoder(collection: &Collection) -> Encoder<'_> {
    (collection.settings.embedding_model.as_str(), collection.settings.quantization)
}

/// The query's vector for every model of the collections.
pub(crate) async fn embed<'a>(
    state: &State,
    collections: &'a [Collection],
    query: &str,
) -> Result<HashMap<Encoder<'a>, Vec<f32>>, ApiError> {
    let encoders: HashSet<Encoder<'a>> = collections.iter().map(encoder).collect();
    let vectors = encoders.into_iter().map(|(model, quantization)| async move {
        let vector = state.queries.embed(model, quantization, query).await?;
        Ok::<_, ApiError>(((model, quantization), vector))
    });
    Ok(try_join_all(vectors).await?.into_iter().collect())
}

/// Asks all collections at once. Fails only if none answers.
pub(crate) async fn retrieve<'a>(
    state: &State,
    collections: &'a [Collection],
    vectors: &HashMap<Encoder<'a>, Vec<f32>>,
    search: &Search,
    plan: &Plan,
) -> Result<Answers<'a>, ApiError> {
    let asked = collections.iter().map(|collection| async move {
        let vector = vectors.get(&encoder(collection)).cloned();
        (collection, ask(state, collection, vector.unwrap_or_default(), search, plan).await)
    });
    let mut answers = Answers::default();
    let mut first_error: Option<ApiError> = None;
    for (collection, answer) in join_all(asked).await {
        match answer {
            Ok((mode, chunks)) => {
                if mode != plan.mode {
                    answers.warnings.push(format!(
                        "{:?} was searched by meaning alone: it was indexed before search by words, reindex it",
                        collection.name
                    ));
                }
                let hits = chunks.into_iter().map(|mut chunk| {
                    if mode == SearchMode::Hybrid {
                        chunk.score = scale_hybrid(plan.rank_constant, chunk.score);
                    }
                    (chunk.score, Hit { collection, chunk })
                });
                let mut hits: Vec<(f32, Hit<'_>)> = hits.collect();
                // Qdrant fuses hits of equal score in any order: the next page would repeat some.
                hits.sort_by(|(left, one), (right, other)| {
                    right.total_cmp(left).then_with(|| one.chunk.id.cmp(&other.chunk.id))
                });
                let model = collection.settings.embedding_model.clone();
                answers.lists.push(RankedList { mode, model, hits });
            }
            Err(AskError::Vectors(error)) => {
                tracing::error!(collection.id = %collection.id, error = lambda::error_chain(&error), "collection could not be searched");
                answers.failed.push(failure(collection, error.kind()));
                first_error.get_or_insert(error.into());
            }
            Err(AskError::Embedding(error)) => return Err(error),
        }
    }
    match first_error {
        Some(error) if answers.lists.is_empty() => Err(error),
        _ => Ok(answers),
    }
}

enum AskError {
    Vectors(VectorsError),
    Embedding(ApiError),
}

/// One collection's answer, and how it was found: a collection without terms is searched by meaning,
/// whatever was asked for.
async fn ask(
    state: &State,
    collection: &Collection,
    vector: Vec<f32>,
    search: &Search,
    plan: &Plan,
) -> Result<(SearchMode, Vec<ScoredChunk>), AskError> {
    let name = &collection.vector_store_name;
    let mut query = ChunkQuery {
        mode: plan.mode,
        vector,
        text: search.query.clone(),
        rank_constant: plan.rank_constant,
        min_similarity: plan.min_similarity,
        filter: search.filter.clone(),
        limit: plan.depth(),
        exact: false,
    };
    match state.vectors.search(name, &query).await {
        Ok(chunks) => Ok((plan.mode, chunks)),
        Err(VectorsError::VectorMissing { .. }) if plan.mode != SearchMode::Dense => {
            query.mode = SearchMode::Dense;
            if query.vector.is_empty() {
                let (model, quantization) = encoder(collection);
                let vector = state.queries.embed(model, quantization, &search.query).await;
                query.vector = vector.map_err(AskError::Embedding)?;
            }
            let chunks = state.vectors.search(name, &query).await.map_err(AskError::Vectors)?;
            Ok((SearchMode::Dense, chunks))
        }
        // None of its documents has any: with the first that has, the collection gets the index.
        Err(VectorsError::AttributesMissing { .. }) => Ok((plan.mode, Vec::new())),
        Err(error) => Err(AskError::Vectors(error)),
    }
}

fn failure(collection: &Collection, kind: ErrorKind) -> FailedCollection {
    FailedCollection {
        collection_id: collection.id,
        collection_name: collection.name.clone(),
        error: format!("{kind:?}").to_lowercase(),
        error_message: if kind == ErrorKind::NotFound {
            "the collection is not set up yet; wait for its first operation to complete".to_owned()
        } else {
            "the collection does not answer; try again in a few seconds".to_owned()
        },
    }
}
