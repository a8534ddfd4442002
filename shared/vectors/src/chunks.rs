//! Reading chunks by id.

use std::collections::HashMap;

use qdrant_client::Payload;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::{GetPointsBuilder, PointId, Value};
use uuid::Uuid;

use crate::{ChunkPayload, VectorDatabase, VectorsError};

/// A stored chunk without its vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredChunk {
    /// The point's id.
    pub id: Uuid,
    /// The payload of its point.
    pub payload: ChunkPayload,
}

impl VectorDatabase {
    /// Returns the chunks with these ids that exist, in the order of `ids`; none if the index does not exist.
    pub async fn find_chunks(&self, name: &str, ids: &[Uuid]) -> Result<Vec<StoredChunk>, VectorsError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let points: Vec<PointId> = ids.iter().map(|id| id.to_string().into()).collect();
        let request = GetPointsBuilder::new(name, points).with_payload(true).with_vectors(false);
        let response = match self
            .call(|client| {
                let request = request.clone();
                async move { client.get_points(request).await }
            })
            .await
        {
            Ok(response) => response,
            Err(VectorsError::NotFound { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut chunks = HashMap::with_capacity(ids.len());
        for point in response.result {
            let (id, payload) = read_point(name, point.id, point.payload)?;
            chunks.insert(id, StoredChunk { id, payload });
        }
        Ok(ids.iter().filter_map(|id| chunks.remove(id)).collect())
    }
}

/// Returns the id and payload of a point.
pub(crate) fn read_point(
    name: &str,
    id: Option<PointId>,
    payload: HashMap<String, Value>,
) -> Result<(Uuid, ChunkPayload), VectorsError> {
    let id = match id.and_then(|id| id.point_id_options) {
        Some(PointIdOptions::Uuid(text)) => text,
        Some(PointIdOptions::Num(number)) => number.to_string(),
        None => String::new(),
    };
    let malformed =
        |reason: String| VectorsError::Malformed { name: name.to_owned(), id: id.clone(), reason };
    let uuid = id.parse().map_err(|error| malformed(format!("id: {error}")))?;
    let payload = serde_json::from_value(Payload::from(payload).into())
        .map_err(|error| malformed(format!("payload: {error}")))?;
    Ok((uuid, payload))
}
