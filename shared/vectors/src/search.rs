//! Searching chunks.

use bm25::query_terms;
use domain::SearchMode;
use qdrant_client::qdrant::{
    Filter, PrefetchQuery, PrefetchQueryBuilder, QuantizationSearchParamsBuilder, Query, QueryPoints,
    QueryPointsBuilder, RrfBuilder, ScoredPoint, SearchParams, SearchParamsBuilder, VectorInput,
};
use uuid::Uuid;

use crate::chunks::read_point;
use crate::{ChunkFilter, ChunkPayload, DENSE, SPARSE, VectorDatabase, VectorsError};

/// The most results of a search, and the number of candidates that every search compares: in the HNSW graph, of
/// quantized vectors before they are rescored, and of each list when two lists are fused. It does not depend on
/// [`ChunkQuery::limit`], so a smaller limit returns the beginning of the same ranking.
pub const CANDIDATES: u64 = 1500;

/// A search for chunks.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkQuery {
    /// What to compare.
    pub mode: SearchMode,
    /// The embedding of the query; not needed by sparse searches without `min_similarity`.
    pub vector: Vec<f32>,
    /// The query's text; not needed by dense searches.
    pub text: String,
    /// The k of reciprocal rank fusion in hybrid searches: the larger, the less rank differences count.
    pub rank_constant: u32,
    /// The minimum cosine similarity of a result, from -1 to 1, in every mode.
    pub min_similarity: Option<f32>,
    /// Conditions on the chunks.
    pub filter: ChunkFilter,
    /// The most results to return, up to [`CANDIDATES`]. Where the last ones have equal scores, any of them may be
    /// returned.
    pub limit: u64,
    /// Whether to compare with every vector instead of searching the HNSW graph.
    pub exact: bool,
}

/// A search result.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredChunk {
    /// The point's id.
    pub id: Uuid,
    /// The score that results are ranked by. Dense: cosine similarity to the query. Sparse: BM25 score. Hybrid:
    /// the sum of 1 / (`rank_constant` + rank) over both lists, with ranks from 1.
    pub score: f32,
    /// The payload of the point.
    pub payload: ChunkPayload,
}

impl VectorDatabase {
    /// Returns the best chunks, best first, by one call to Qdrant.
    ///
    /// # Errors
    /// Returns `VectorMissing` if the search needs sparse vectors and the index has none.
    pub async fn search(&self, name: &str, query: &ChunkQuery) -> Result<Vec<ScoredChunk>, VectorsError> {
        if query.mode == SearchMode::Sparse && query_terms(&query.text).is_empty() {
            return Ok(Vec::new());
        }
        let request = query.to_request(name);
        let response = self
            .call(|client| {
                let request = request.clone();
                async move { client.query(request).await }
            })
            .await?;
        response.result.into_iter().map(|point| scored_chunk(name, point)).collect()
    }
}

impl ChunkQuery {
    /// `min_similarity` applies to the candidates, so that it holds for all results: the similarity of chunks
    /// that were found by their terms is computed, and those below the minimum are dropped.
    fn to_request(&self, name: &str) -> QueryPoints {
        let request = QueryPointsBuilder::new(name).limit(self.limit).with_payload(true);
        let filter = self.filter.to_filter();
        let terms = query_terms(&self.text);
        let by_terms =
            || Query::new_nearest(VectorInput::new_sparse(terms.ids.clone(), terms.weights.clone()));
        let by_vector = || Query::new_nearest(self.vector.clone());
        let depth = CANDIDATES;
        match (self.mode, self.min_similarity) {
            (SearchMode::Sparse, None) => with_filter(request.query(by_terms()).using(SPARSE), filter).into(),
            (SearchMode::Sparse, Some(minimum)) => {
                let found = self.similar_among(prefetch(by_terms(), SPARSE, depth, filter), minimum, depth);
                request.query(by_terms()).using(SPARSE).add_prefetch(found).into()
            }
            (SearchMode::Hybrid, minimum) if !terms.is_empty() => {
                let mut dense = prefetch(by_vector(), DENSE, depth, filter.clone());
                dense.params = Some(self.params(depth));
                dense.score_threshold = minimum;
                let mut sparse = prefetch(by_terms(), SPARSE, depth, filter);
                if let Some(minimum) = minimum {
                    let similar = self.similar_among(sparse, minimum, depth);
                    sparse = prefetch(by_terms(), SPARSE, depth, None);
                    sparse.prefetch = vec![similar];
                }
                // Qdrant counts ranks from 0.
                let fusion = Query::new_rrf(RrfBuilder::with_k(self.rank_constant + 1));
                request.query(fusion).add_prefetch(dense).add_prefetch(sparse).into()
            }
            (SearchMode::Dense | SearchMode::Hybrid, minimum) => {
                let mut request = with_filter(request.query(by_vector()).using(DENSE), filter);
                if let Some(minimum) = minimum {
                    request = request.score_threshold(minimum);
                }
                request.params(self.params(self.limit)).into()
            }
        }
    }

    /// Returns a prefetch of those of `found` whose cosine similarity is at least `minimum`.
    fn similar_among(&self, found: PrefetchQuery, minimum: f32, depth: u64) -> PrefetchQuery {
        let mut similar = prefetch(Query::new_nearest(self.vector.clone()), DENSE, depth, None);
        similar.prefetch = vec![found];
        similar.score_threshold = Some(minimum);
        similar.params = Some(self.params(depth));
        similar
    }

    /// Returns the parameters of a dense search with this limit. Without rescoring, the scores of quantized vectors would
    /// be estimates.
    fn params(&self, limit: u64) -> SearchParams {
        // Qdrant multiplies with the limit and rounds down. Ignored by indexes without quantized vectors.
        #[expect(clippy::cast_precision_loss, reason = "both are at most some thousands")]
        let oversampling = ((CANDIDATES as f64 + 0.5) / limit.max(1) as f64).max(1.0);
        let quantization =
            QuantizationSearchParamsBuilder::default().rescore(true).oversampling(oversampling);
        SearchParamsBuilder::default()
            .hnsw_ef(CANDIDATES)
            .exact(self.exact)
            .quantization(quantization.build())
            .build()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how many candidates a dense search reads from quantized vectors and rescores with the original ones.
    fn rescored(params: Option<&SearchParams>, limit: u64) -> Option<f64> {
        let quantization = params?.quantization.as_ref()?;
        assert_eq!(quantization.rescore, Some(true));
        #[expect(clippy::cast_precision_loss, reason = "a small limit")]
        Some((quantization.oversampling? * limit as f64).floor())
    }

    #[test]
    fn every_dense_search_rescores_the_candidates() {
        for (limit, min_similarity) in [(1, None), (10, Some(0.5)), (999, Some(0.5)), (CANDIDATES, None)] {
            let query = |mode| ChunkQuery {
                mode,
                vector: vec![1.0],
                text: "tides".to_owned(),
                rank_constant: 60,
                min_similarity,
                filter: ChunkFilter::default(),
                limit,
                exact: false,
            };
            let dense = query(SearchMode::Dense).to_request("a");
            assert_eq!(rescored(dense.params.as_ref(), limit), Some(1500.0));
            let hybrid = query(SearchMode::Hybrid).to_request("a");
            let (by_vector, by_terms) = (&hybrid.prefetch[0], &hybrid.prefetch[1]);
            assert_eq!(rescored(by_vector.params.as_ref(), CANDIDATES), Some(1500.0), "{limit}");
            if min_similarity.is_some() {
                let similar = &by_terms.prefetch[0];
                assert_eq!(rescored(similar.params.as_ref(), CANDIDATES), Some(1500.0), "{limit}");
            }
        }
    }
}
