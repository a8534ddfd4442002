//! Comparing two indexes of the same documents.

use std::collections::HashMap;

use domain::DocumentId;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::vector_output::Vector;
use qdrant_client::qdrant::{
    Filter, GetPointsBuilder, PointId, QuantizationSearchParamsBuilder, Query, QueryPointsBuilder,
    SearchParamsBuilder, VectorsSelector,
};
use uuid::Uuid;

use crate::points::of_document;
use crate::{DENSE, VectorDatabase, VectorsError};

impl VectorDatabase {
    /// Returns the dense vectors of the chunks with these ids that exist.
    pub async fn find_vectors(
        &self,
        name: &str,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Vec<f32>>, VectorsError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let points: Vec<PointId> = ids.iter().map(|id| id.to_string().into()).collect();
        let dense = VectorsSelector { names: vec![DENSE.to_owned()] };
        let request = GetPointsBuilder::new(name, points).with_payload(false).with_vectors(dense);
        let response = self
            .call(|client| {
                let request = request.clone();
                async move { client.get_points(request).await }
            })
            .await?;
        let mut vectors = HashMap::with_capacity(ids.len());
        for point in response.result {
            let vector = point.vectors.and_then(|vectors| vectors.get_vector_by_name(DENSE));
            let id = point.id.and_then(|id| id.point_id_options);
            if let (Some(PointIdOptions::Uuid(id)), Some(Vector::Dense(dense))) = (id, vector)
                && let Ok(id) = id.parse()
            {
                vectors.insert(id, dense.data);
            }
        }
        Ok(vectors)
    }

    /// Returns the cosine similarities of the nearest chunks, highest first: of the whole index, or of one
    /// document.
    pub async fn nearest_scores(
        &self,
        name: &str,
        vector: &[f32],
        document_id: Option<DocumentId>,
        limit: u64,
    ) -> Result<Vec<f32>, VectorsError> {
        // Scores of quantized vectors would be estimates.
        let rescored = QuantizationSearchParamsBuilder::default().rescore(true);
        let mut request = QueryPointsBuilder::new(name)
            .query(Query::new_nearest(vector.to_vec()))
            .using(DENSE)
            .limit(limit)
            .params(SearchParamsBuilder::default().quantization(rescored.build()))
            .with_payload(false);
        if let Some(document_id) = document_id {
            request = request.filter(Filter::must([of_document(document_id)]));
        }
        let response = self
            .call(|client| {
                let request = request.clone();
                async move { client.query(request).await }
            })
            .await?;
        Ok(response.result.into_iter().map(|point| point.score).collect())
    }
}
