//! The reading calls of `qdrant.Points`.

use qdrant_client::qdrant::{self as proto};
use qdrant_edge::{OrderBy, OrderByInterface, ScrollRequest};

use crate::convert_filter::{filter, point_id, point_id_to_proto};
use crate::convert_point::{record_to_proto, scored_to_proto, with_payload, with_vectors};
use crate::convert_query::{order_by, query_request};
use crate::error::LocalError;
use crate::store::Store;

/// A page of points, and the offset of the next page.
pub type Page = (Vec<proto::RetrievedPoint>, Option<proto::PointId>);

/// Returns the points with the given ids.
pub fn get(store: &Store, request: proto::GetPoints) -> Result<Vec<proto::RetrievedPoint>, LocalError> {
    reject_shard_key(&request.shard_key_selector)?;
    let collection = store.collection(&request.collection_name)?;
    let ids = request.ids.into_iter().map(point_id).collect::<Result<Vec<_>, _>>()?;
    let with_payload = with_payload(request.with_payload, false)?;
    let points = collection.retrieve(&ids, with_payload, with_vectors(request.with_vectors))?;
    Ok(points.into_iter().map(record_to_proto).collect())
}

/// Returns a page of points, ordered by id or by a payload field.
pub fn scroll(store: &Store, request: proto::ScrollPoints) -> Result<Page, LocalError> {
    reject_shard_key(&request.shard_key_selector)?;
    let collection = store.collection(&request.collection_name)?;
    if request.limit == Some(0) {
        let message = "Validation error: limit 0, must be 1 or more".to_owned();
        return Err(LocalError::BadInput(message));
    }
    let order: Option<OrderBy> = request.order_by.map(order_by).transpose()?;
    let (points, next) = collection.scroll(ScrollRequest {
        offset: request.offset.map(point_id).transpose()?,
        limit: request.limit.map(|limit| limit as usize),
        filter: request.filter.map(filter).transpose()?,
        with_payload: Some(with_payload(request.with_payload, true)?),
        with_vector: with_vectors(request.with_vectors),
        order_by: order.map(OrderByInterface::Struct),
    })?;
    Ok((points.into_iter().map(record_to_proto).collect(), next.map(point_id_to_proto)))
}

/// Counts the points that match.
pub fn count(store: &Store, request: proto::CountPoints) -> Result<u64, LocalError> {
    reject_shard_key(&request.shard_key_selector)?;
    let collection = store.collection(&request.collection_name)?;
    let filter = request.filter.map(filter).transpose()?;
    let count = collection.count(filter, request.exact.unwrap_or(true))?;
    Ok(count as u64)
}

/// Returns the best points of a query.
pub fn query(store: &Store, request: proto::QueryPoints) -> Result<Vec<proto::ScoredPoint>, LocalError> {
    let collection = store.collection(&request.collection_name)?;
    let request = query_request(request, collection.as_ref())?;
    let points = collection.query(request)?;
    Ok(points.into_iter().map(scored_to_proto).collect())
}

/// Returns the best points of each of several queries.
pub fn query_batch(
    store: &Store,
    request: proto::QueryBatchPoints,
) -> Result<Vec<proto::BatchResult>, LocalError> {
    let queries = request.query_points.into_iter().map(|mut each| {
        each.collection_name.clone_from(&request.collection_name);
        Ok(proto::BatchResult { result: query(store, each)? })
    });
    queries.collect()
}

fn reject_shard_key(selector: &Option<proto::ShardKeySelector>) -> Result<(), LocalError> {
    match selector {
        Some(_) => Err(LocalError::unsupported("shard keys")),
        None => Ok(()),
    }
}
