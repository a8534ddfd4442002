//! Points: written, counted, deleted.

use std::collections::HashMap;

use bm25::TermWeights;
use domain::DocumentId;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use qdrant_client::Payload;
use qdrant_client::qdrant::vectors::VectorsOptions;
use qdrant_client::qdrant::{
    Condition, CountPointsBuilder, DeletePointsBuilder, Filter, NamedVectors, PointStruct, Range,
    UpsertPointsBuilder, Value, Vector,
};
use uuid::Uuid;

use crate::{ChunkPayload, DENSE, SPARSE, VectorStore, VectorsError};

/// Points in one upsert.
const UPSERT_BATCH: usize = 100;
/// Upserts of one call that are on their way at once.
const UPSERTS_IN_FLIGHT: usize = 4;

/// A chunk to store.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkPoint {
    /// See `domain::point_id`: the same chunk always has the same id.
    pub id: Uuid,
    /// The embedding of the chunk's text.
    pub vector: Vec<f32>,
    /// The terms of the chunk's text.
    pub terms: TermWeights,
    /// What to store beside them.
    pub payload: ChunkPayload,
}

impl VectorStore {
    /// Stores points, replacing those of the same ids, a hundred at a time and some hundreds at once.
    /// Every batch is waited for, so that success means: every point is durable and found by
    /// searches. After an error some batches may be stored; storing all of them again is the remedy.
    ///
    /// A collection that was made before passages had terms takes the points without them.
    pub async fn upsert(&self, name: &str, points: Vec<ChunkPoint>) -> Result<(), VectorsError> {
        let points = points.into_iter().map(point_struct).collect::<Result<Vec<_>, _>>()?;
        match self.upsert_structs(name, points.clone()).await {
            Err(VectorsError::VectorMissing { .. }) => {
                self.upsert_structs(name, points.into_iter().map(without_terms).collect()).await
            }
            done => done,
        }
    }

    async fn upsert_structs(&self, name: &str, points: Vec<PointStruct>) -> Result<(), VectorsError> {
        let batches: Vec<Vec<PointStruct>> = points.chunks(UPSERT_BATCH).map(<[_]>::to_vec).collect();
        let upserts = stream::iter(batches).map(|batch| async {
            let request = UpsertPointsBuilder::new(name, batch).wait(true);
            self.client.upsert_points(request).await.map(drop).map_err(VectorsError::from)
        });
        upserts.buffer_unordered(UPSERTS_IN_FLIGHT).try_collect().await
    }

    /// Deletes all points of these documents, of whatever generation.
    pub async fn delete_documents(&self, name: &str, ids: &[DocumentId]) -> Result<(), VectorsError> {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        self.delete_where(name, Filter::must([Condition::matches("document_id", ids)]), true).await
    }

    /// Deletes a document's points of one generation.
    pub async fn delete_generation(
        &self,
        name: &str,
        document_id: DocumentId,
        generation: i32,
    ) -> Result<(), VectorsError> {
        let filter =
            Filter::must([of_document(document_id), Condition::matches("generation", i64::from(generation))]);
        self.delete_where(name, filter, true).await
    }

    /// Deletes a document's points of all generations before `generation`. Not waited for: searches
    /// leave them out anyway.
    pub async fn delete_generations_before(
        &self,
        name: &str,
        document_id: DocumentId,
        generation: i32,
    ) -> Result<(), VectorsError> {
        let before = Range { lt: Some(f64::from(generation)), ..Range::default() };
        let filter = Filter::must([of_document(document_id), Condition::range("generation", before)]);
        self.delete_where(name, filter, false).await
    }

    /// Deletes all points of a source.
    pub async fn delete_source(&self, name: &str, source_id: i64) -> Result<(), VectorsError> {
        let filter = Filter::must([Condition::matches("source_id", source_id)]);
        self.delete_where(name, filter, true).await
    }

    /// How many points the collection has, exactly.
    pub async fn count(&self, name: &str) -> Result<u64, VectorsError> {
        self.count_where(CountPointsBuilder::new(name)).await
    }

    /// How many points a document has of one generation, exactly.
    pub async fn count_document(
        &self,
        name: &str,
        document_id: DocumentId,
        generation: i32,
    ) -> Result<u64, VectorsError> {
        let filter =
            Filter::must([of_document(document_id), Condition::matches("generation", i64::from(generation))]);
        self.count_where(CountPointsBuilder::new(name).filter(filter)).await
    }

    /// A collection that does not exist has no points left to delete.
    async fn delete_where(&self, name: &str, filter: Filter, wait: bool) -> Result<(), VectorsError> {
        let request = DeletePointsBuilder::new(name).points(filter).wait(wait);
        match self.client.delete_points(request).await.map_err(VectorsError::from) {
            Ok(_) | Err(VectorsError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn count_where(&self, request: CountPointsBuilder) -> Result<u64, VectorsError> {
        let response = self.client.count(request.exact(true)).await?;
        let message = "a count without a result".to_owned();
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
