//! Searches.

use qdrant_client::qdrant::{
    QuantizationSearchParamsBuilder, Query, QueryPointsBuilder, ScoredPoint, SearchParamsBuilder,
};
use uuid::Uuid;

use crate::chunks::read_point;
use crate::{ChunkPayload, DENSE, VectorStore, VectorsError};

/// Candidates taken from quantized vectors for each result, before the stored float32 vectors
/// decide. Collections without quantized vectors ignore it.
const OVERSAMPLING: f64 = 2.0;

/// What to look for.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseQuery {
    /// The embedding of the query.
    pub vector: Vec<f32>,
    /// The most results to return.
    pub limit: u64,
    /// How many of the best results to leave out.
    pub offset: u64,
    /// The least cosine similarity of a result, from -1 to 1.
    pub score_threshold: Option<f32>,
    /// Compare with every vector instead of walking the graph.
    pub exact: bool,
}

/// A chunk that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredChunk {
    /// The point's id.
    pub id: Uuid,
    /// Its cosine similarity to the query.
    pub score: f32,
    /// What is stored beside its vector.
    pub payload: ChunkPayload,
}

impl VectorStore {
    /// The chunks whose vectors are most similar to the query's, most similar first.
    pub async fn search(&self, name: &str, query: &DenseQuery) -> Result<Vec<ScoredChunk>, VectorsError> {
        let quantization =
            QuantizationSearchParamsBuilder::default().rescore(true).oversampling(OVERSAMPLING);
        let params = SearchParamsBuilder::default().exact(query.exact).quantization(quantization.build());
        let mut request = QueryPointsBuilder::new(name)
            .query(Query::new_nearest(query.vector.clone()))
            .using(DENSE)
            .limit(query.limit)
            .offset(query.offset)
            .params(params)
            .with_payload(true);
        if let Some(threshold) = query.score_threshold {
            request = request.score_threshold(threshold);
        }
        let response = self.client.query(request).await?;
        response.result.into_iter().map(|point| scored_chunk(name, point)).collect()
    }
}

fn scored_chunk(name: &str, point: ScoredPoint) -> Result<ScoredChunk, VectorsError> {
    let (id, payload) = read_point(name, point.id, point.payload)?;
    Ok(ScoredChunk { id, score: point.score, payload })
}
