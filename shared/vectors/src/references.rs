//! Which points an index has, without their content.

use std::collections::HashMap;

use domain::{DocumentId, Generation};
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::{
    Condition, DeletePointsBuilder, Filter, PayloadIncludeSelector, PointId, PointsIdsList,
    ScrollPointsBuilder, Value,
};
use uuid::Uuid;

use crate::{VectorDatabase, VectorsError};

/// A point, and the version of a document that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PointReference {
    /// The point's id.
    pub id: Uuid,
    /// The document; nil for a point that is not a chunk.
    pub document_id: DocumentId,
    /// The document's generation; 0 for a point that is not a chunk.
    pub generation: Generation,
}

impl VectorDatabase {
    /// Returns a page of an index's points in the order of their ids, of some documents or of all, and the
    /// id at which the next page begins; none if the index does not exist.
    pub async fn list_points(
        &self,
        name: &str,
        documents: Option<&[DocumentId]>,
        from: Option<Uuid>,
        limit: u32,
    ) -> Result<(Vec<PointReference>, Option<Uuid>), VectorsError> {
        let fields = vec!["document_id".to_owned(), "generation".to_owned()];
        let mut request = ScrollPointsBuilder::new(name)
            .limit(limit)
            .with_payload(PayloadIncludeSelector { fields })
            .with_vectors(false);
        if let Some(ids) = documents {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            request = request.filter(Filter::must([Condition::matches("document_id", ids)]));
        }
        if let Some(from) = from {
            request = request.offset(PointId::from(from.to_string()));
        }
        let response = match self
            .call(|client| {
                let request = request.clone();
                async move { client.scroll(request).await }
            })
            .await
        {
            Ok(response) => response,
            Err(VectorsError::NotFound { .. }) => return Ok((Vec::new(), None)),
            Err(error) => return Err(error),
        };
        let next = response.next_page_offset.and_then(uuid);
        let points = response.result.into_iter().filter_map(|point| {
            Some(PointReference {
                id: point.id.and_then(uuid)?,
                document_id: DocumentId(document_id(&point.payload).unwrap_or_default()),
                generation: generation(&point.payload).unwrap_or_default(),
            })
        });
        Ok((points.collect(), next))
    }

    /// Deletes points by their ids.
    pub async fn delete_points(&self, name: &str, ids: &[Uuid]) -> Result<(), VectorsError> {
        let ids = ids.iter().map(|id| PointId::from(id.to_string())).collect();
        let request = DeletePointsBuilder::new(name).points(PointsIdsList { ids }).wait(true);
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
}

/// The numeric ids that Qdrant allows, too, are never written here.
fn uuid(id: PointId) -> Option<Uuid> {
    match id.point_id_options? {
        PointIdOptions::Uuid(text) => text.parse().ok(),
        PointIdOptions::Num(_) => None,
    }
}

fn document_id(payload: &HashMap<String, Value>) -> Option<Uuid> {
    payload.get("document_id")?.as_str()?.parse().ok()
}

fn generation(payload: &HashMap<String, Value>) -> Option<Generation> {
    let number = payload.get("generation")?.as_integer()?;
    number.try_into().ok().map(Generation)
}
