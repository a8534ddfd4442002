//! Searches.

use bm25::query_terms;
use domain::SearchMode;
use qdrant_client::qdrant::{
    Filter, PrefetchQuery, PrefetchQueryBuilder, QuantizationSearchParamsBuilder, Query, QueryPoints,
    QueryPointsBuilder, RrfBuilder, ScoredPoint, SearchParams, SearchParamsBuilder, VectorInput,
};
use uuid::Uuid;

use crate::chunks::read_point;
use crate::{ChunkFilter, ChunkPayload, DENSE, SPARSE, VectorStore, VectorsError};

/// Candidates taken from quantized vectors for each result, before the stored float32 vectors
/// decide. Collections without quantized vectors ignore it.
const OVERSAMPLING: f64 = 2.0;

/// Candidates of each kind where two kinds are weighed against each other: enough for the first pages,
/// or for all that may be asked for. Only two depths, because what ranks first would else depend on the
/// page that is asked for.
const CANDIDATES: u64 = 200;
const MOST_CANDIDATES: u64 = 1500;

/// What to look for.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkQuery {
    /// What is compared.
    pub mode: SearchMode,
    /// The embedding of the query. Sparse searches without a least similarity need none.
    pub vector: Vec<f32>,
    /// The query; dense searches need none.
    pub text: String,
    /// How little a difference in rank counts when hybrid searches are fused: the k of reciprocal
    /// rank fusion.
    pub rank_constant: u32,
    /// The least cosine similarity of a result, from -1 to 1, whatever it is ranked by.
    pub min_similarity: Option<f32>,
    /// Which chunks may be results.
    pub filter: ChunkFilter,
    /// The most results to return.
    pub limit: u64,
    /// Compare with every vector instead of walking the graph.
    pub exact: bool,
}

/// A chunk that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredChunk {
    /// The point's id.
    pub id: Uuid,
    /// What it is ranked by. Dense searches: its cosine similarity to the query. Sparse searches: its
    /// BM25 score. Hybrid searches: the sum, over both lists, of 1 / (`rank_constant` + rank), with
    /// ranks from 1.
    pub score: f32,
    /// What is stored beside its vectors.
    pub payload: ChunkPayload,
}

impl VectorStore {
    /// The best chunks, best first, in one call.
    ///
    /// # Errors
    /// `VectorMissing` where the search needs terms and the collection was made without.
    pub async fn search(&self, name: &str, query: &ChunkQuery) -> Result<Vec<ScoredChunk>, VectorsError> {
        if query.mode == SearchMode::Sparse && query_terms(&query.text).is_empty() {
            return Ok(Vec::new());
        }
        let response = self.client.query(query.to_request(name)).await?;
        response.result.into_iter().map(|point| scored_chunk(name, point)).collect()
    }
}

impl ChunkQuery {
    /// Least similarities are asked for where candidates are fetched, so that they hold for all
    /// results: what is found by its terms has its similarity computed, and goes if that is too low.
    fn to_request(&self, name: &str) -> QueryPoints {
        let request = QueryPointsBuilder::new(name).limit(self.limit).with_payload(true);
        let filter = self.filter.to_filter();
        let terms = query_terms(&self.text);
        let by_terms =
            || Query::new_nearest(VectorInput::new_sparse(terms.ids.clone(), terms.weights.clone()));
        let by_meaning = || Query::new_nearest(self.vector.clone());
        let depth = if self.limit <= CANDIDATES { CANDIDATES } else { self.limit.max(MOST_CANDIDATES) };
        match (self.mode, self.min_similarity) {
            (SearchMode::Sparse, None) => with_filter(request.query(by_terms()).using(SPARSE), filter).into(),
            (SearchMode::Sparse, Some(least)) => {
                let found = self.similar_among(prefetch(by_terms(), SPARSE, depth, filter), least, depth);
                request.query(by_terms()).using(SPARSE).add_prefetch(found).into()
            }
            (SearchMode::Hybrid, least) if !terms.is_empty() => {
                let mut meaning = prefetch(by_meaning(), DENSE, depth, filter.clone());
                meaning.params = Some(self.params());
                meaning.score_threshold = least;
                let mut words = prefetch(by_terms(), SPARSE, depth, filter);
                if let Some(least) = least {
                    let similar = self.similar_among(words, least, depth);
                    words = prefetch(by_terms(), SPARSE, depth, None);
                    words.prefetch = vec![similar];
                }
                // Qdrant counts ranks from 0.
                let fusion = Query::new_rrf(RrfBuilder::with_k(self.rank_constant + 1));
                request.query(fusion).add_prefetch(meaning).add_prefetch(words).into()
            }
            (SearchMode::Dense | SearchMode::Hybrid, least) => {
                let mut request = with_filter(request.query(by_meaning()).using(DENSE), filter);
                if let Some(least) = least {
                    request = request.score_threshold(least);
                }
                request.params(self.params()).into()
            }
        }
    }

    /// Those of `found` that are similar enough.
    fn similar_among(&self, found: PrefetchQuery, least: f32, depth: u64) -> PrefetchQuery {
        let mut similar = prefetch(Query::new_nearest(self.vector.clone()), DENSE, depth, None);
        similar.prefetch = vec![found];
        similar.score_threshold = Some(least);
        similar
    }

    fn params(&self) -> SearchParams {
        let quantization =
            QuantizationSearchParamsBuilder::default().rescore(true).oversampling(OVERSAMPLING);
        SearchParamsBuilder::default().exact(self.exact).quantization(quantization.build()).build()
    }
}

fn prefetch(query: Query, using: &str, limit: u64, filter: Option<Filter>) -> PrefetchQuery {
    let mut prefetch: PrefetchQuery =
        PrefetchQueryBuilder::default().query(query).using(using).limit(limit).into();
    prefetch.filter = filter;
    prefetch
}

fn with_filter(request: QueryPointsBuilder, filter: Option<Filter>) -> QueryPointsBuilder {
    match filter {
        Some(filter) => request.filter(filter),
        None => request,
    }
}

fn scored_chunk(name: &str, point: ScoredPoint) -> Result<ScoredChunk, VectorsError> {
    let (id, payload) = read_point(name, point.id, point.payload)?;
    Ok(ScoredChunk { id, score: point.score, payload })
}
