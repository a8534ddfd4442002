//! Writing, counting and deleting points.

use std::collections::HashMap;

use bm25::TermWeights;
use domain::{DocumentId, Generation};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use qdrant_client::Payload;
use qdrant_client::qdrant::vectors::VectorsOptions;
use qdrant_client::qdrant::{
    Condition, CountPointsBuilder, DeletePointsBuilder, Filter, NamedVectors, PointStruct, Range,
    UpsertPointsBuilder, Value, Vector,
};
use uuid::Uuid;

use crate::{ChunkPayload, DENSE, SPARSE, VectorDatabase, VectorsError};

/// Points per upsert.
const UPSERT_BATCH: usize = 100;
/// Concurrent upserts of one call.
const UPSERTS_IN_FLIGHT: usize = 4;

/// A chunk to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkPoint {
    /// The point's id, see `domain::point_id`: deterministic, so that writing a chunk again overwrites its point.
    pub id: Uuid,
    /// The dense vector.
    pub vector: Vec<f32>,
    /// The BM25 weights, the sparse vector.
    pub terms: TermWeights,
    /// The payload.
    pub payload: ChunkPayload,
}

impl VectorDatabase {
    /// Stores points, replacing those with the same ids, in concurrent batches. On success every point is durable
    /// and visible to searches. After an error some batches may be stored; repeat the call.
    ///
    /// An index without sparse vectors of this version, created by an earlier release, takes the points without them.
    pub async fn upsert(&self, name: &str, points: Vec<ChunkPoint>) -> Result<(), VectorsError> {
        let points = points.into_iter().map(point_struct).collect::<Result<Vec<_>, _>>()?;
        match self.upsert_batches(name, points.clone()).await {
            Err(VectorsError::VectorMissing { .. }) => {
                self.upsert_batches(name, points.into_iter().map(without_terms).collect()).await
            }
            done => done,
        }
    }

    async fn upsert_batches(&self, name: &str, points: Vec<PointStruct>) -> Result<(), VectorsError> {
        let batches: Vec<Vec<PointStruct>> = points.chunks(UPSERT_BATCH).map(<[_]>::to_vec).collect();
        let upserts = stream::iter(batches).map(|batch| async {
            let request = UpsertPointsBuilder::new(name, batch).wait(true);
            self.call(|client| {
                let request = request.clone();
                async move { client.upsert_points(request).await }
            })
            .await
            .map(drop)
        });
        upserts.buffer_unordered(UPSERTS_IN_FLIGHT).try_collect().await
    }

    /// Deletes all points of these documents, of every generation.
    pub async fn delete_documents(&self, name: &str, ids: &[DocumentId]) -> Result<(), VectorsError> {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        self.delete_where(name, Filter::must([Condition::matches("document_id", ids)]), true).await
    }

    /// Deletes the points of one generation of a document.
    pub async fn delete_generation(
        &self,
        name: &str,
        document_id: DocumentId,
        generation: Generation,
    ) -> Result<(), VectorsError> {
        let filter = Filter::must([
            of_document(document_id),
            Condition::matches("generation", i64::from(generation.0)),
        ]);
        self.delete_where(name, filter, true).await
    }

    /// Deletes the points of all generations of a document before `generation`, without waiting for Qdrant to
    /// apply it: searches drop those points anyway.
    pub async fn delete_generations_before(
        &self,
        name: &str,
        document_id: DocumentId,
        generation: Generation,
    ) -> Result<(), VectorsError> {
        let before = Range { lt: Some(f64::from(generation.0)), ..Range::default() };
        let filter = Filter::must([of_document(document_id), Condition::range("generation", before)]);
        self.delete_where(name, filter, false).await
    }

    /// Deletes all points of a source.
    pub async fn delete_source(&self, name: &str, source_id: i64) -> Result<(), VectorsError> {
        let filter = Filter::must([Condition::matches("source_id", source_id)]);
        self.delete_where(name, filter, true).await
    }

    /// Returns the exact number of points.
    pub async fn count(&self, name: &str) -> Result<u64, VectorsError> {
        self.count_where(CountPointsBuilder::new(name)).await
    }

    /// Returns the exact number of points; 0 if the index does not exist.
    pub async fn count_if_exists(&self, name: &str) -> Result<u64, VectorsError> {
        match self.count(name).await {
            Err(VectorsError::NotFound { .. }) => Ok(0),
            counted => counted,
        }
    }

    /// Returns the exact number of points of one generation of a document.
    pub async fn count_document(
        &self,
        name: &str,
        document_id: DocumentId,
        generation: Generation,
    ) -> Result<u64, VectorsError> {
        let filter = Filter::must([
            of_document(document_id),
            Condition::matches("generation", i64::from(generation.0)),
        ]);
        self.count_where(CountPointsBuilder::new(name).filter(filter)).await
    }

    /// Deletes the points that match. Succeeds if the index does not exist.
    async fn delete_where(&self, name: &str, filter: Filter, wait: bool) -> Result<(), VectorsError> {
        let request = DeletePointsBuilder::new(name).points(filter).wait(wait);
        match self
            .call(|client| {
                let request = request.clone();
                async move { client.delete_points(request).await }
            })
            .await
        {
            Ok(_) | Err(VectorsError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn count_where(&self, request: CountPointsBuilder) -> Result<u64, VectorsError> {
        let request = request.exact(true);
        let response = self
            .call(|client| {
                let request = request.clone();
                async move { client.count(request).await }
            })
            .await?;
        let message = "the response to a count has no result".to_owned();
        let result = response.result.ok_or(VectorsError::Internal { message })?;
        Ok(result.count)
    }
}

pub(crate) fn of_document(document_id: DocumentId) -> Condition {
    Condition::matches("document_id", document_id.to_string())
}

fn point_struct(point: ChunkPoint) -> Result<PointStruct, VectorsError> {
    let ChunkPoint { id, vector, terms, payload } = point;
    let payload = serde_json::to_value(payload)
        .map_err(|error| error.to_string())
        .and_then(|json| Payload::try_from(json).map_err(|error| error.to_string()))
        .map_err(|reason| VectorsError::Unwritable { id, reason })?;
    let payload: HashMap<String, Value> = payload.into();
    let mut vectors = NamedVectors::default().add_vector(DENSE, Vector::new_dense(vector));
    if !terms.is_empty() {
        vectors = vectors.add_vector(SPARSE, Vector::new_sparse(terms.ids, terms.weights));
    }
    Ok(PointStruct::new(id.to_string(), vectors, payload))
}

fn without_terms(mut point: PointStruct) -> PointStruct {
    let vectors = point.vectors.as_mut().and_then(|vectors| vectors.vectors_options.as_mut());
    if let Some(VectorsOptions::Vectors(named)) = vectors {
        named.vectors.remove(SPARSE);
    }
    point
}
