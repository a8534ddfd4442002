//! The embedding of an indexed chunk or document, in place of that of a query.

use std::collections::HashMap;

use db::collections::Collection;
use domain::point_id;
use lambda::http::ApiError;
use uuid::Uuid;

use crate::State;
use crate::retrieve::{EncodedQuery, encoder};
use crate::search_query::Example;

/// The most chunks of a document whose embeddings are averaged, evenly spread over it.
const MAX_CHUNKS: u32 = 64;

/// Returns the embedding of the chunk, or the mean of those of the document's chunks, as the index of the first
/// collection has them. Returns `None` if the index was swapped meanwhile.
///
/// # Errors
/// Returns `NotFound` if the document or chunk is not searchable.
pub(crate) async fn embedding_of<'a>(
    state: &State,
    collections: &'a [Collection],
    example: Example,
) -> Result<Option<EncodedQuery<'a>>, ApiError> {
    let Example { document_id, chunk_index } = example;
    let document = {
        let mut connection = state.db.connection().await?;
        connection.search_documents().find_live(&[document_id]).await?.pop()
    };
    let (Some(document), Some(collection)) = (document, collections.first()) else {
        return Err(ApiError::not_found("searchable document", document_id));
    };
    if document.vector_store_name != collection.vector_store_name {
        return Ok(None);
    }
    let indexes = match chunk_index {
        Some(index) => vec![index],
        None => spread(u32::try_from(document.chunk_count).unwrap_or_default()),
    };
    let ids: Vec<Uuid> =
        indexes.into_iter().map(|index| point_id(document_id, document.generation, index)).collect();
    let vectors = state.vectors.find_vectors(&collection.vector_store_name, &ids).await?;
    let Some(vector) = mean_direction(vectors.values()) else {
        let passage = chunk_index.map(|index| format!("#{index}")).unwrap_or_default();
        return Err(ApiError::not_found("searchable passage", format!("{document_id}{passage}")));
    };
    Ok(Some(EncodedQuery { vectors: HashMap::from([(encoder(collection), vector)]), warnings: Vec::new() }))
}

/// Returns at most [`MAX_CHUNKS`] indexes below `count`, evenly spread.
fn spread(count: u32) -> Vec<u32> {
    let taken = count.min(MAX_CHUNKS);
    let place = |nth: u32| u32::try_from(u64::from(nth) * u64::from(count) / u64::from(taken));
    (0..taken).filter_map(|nth| place(nth).ok()).collect()
}

/// Adds vectors up. Cosine similarity does not depend on the length of the sum, so it stands for the mean.
fn mean_direction<'v>(vectors: impl Iterator<Item = &'v Vec<f32>>) -> Option<Vec<f32>> {
    vectors.cloned().reduce(|mut sum, vector| {
        sum.iter_mut().zip(vector).for_each(|(total, value)| *total += value);
        sum
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_spread_over_the_document() {
        assert_eq!(spread(0), [0_u32; 0]);
        assert_eq!(spread(3), [0, 1, 2]);
        let spread = spread(1000);
        assert_eq!((spread.len(), spread[1], spread.last()), (64, 15, Some(&984)));
    }

    #[test]
    fn the_mean_points_in_the_direction_of_all() {
        assert_eq!(mean_direction([vec![1.0, 0.0], vec![0.0, 1.0]].iter()), Some(vec![1.0, 1.0]));
        assert_eq!(mean_direction([].iter()), None);
    }
}
