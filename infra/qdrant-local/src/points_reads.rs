//! What the reading calls of `qdrant.Points` do.

use qdrant_client::qdrant::{self as proto};
use qdrant_edge::{OrderBy, OrderByInterface, ScrollRequest};

use crate::convert_filter::{filter, point_id, point_id_to_proto};
use crate::convert_point::{record_to_proto, scored_to_proto, with_payload, with_vectors};
use crate::convert_query::{order_by, query_request};
use crate::error::LocalError;
use crate::store::Store;

/// A page of a scroll, and where the next one starts.
pub type Page = (Vec<proto::RetrievedPoint>, Option<proto::PointId>);

/// The points of the request's ids.
pub fn get(store: &Store, request: proto::GetPoints) -> Result<Vec<proto::RetrievedPoint>, LocalError> {
    refuse_shard_key(&request.shard_key_selector)?;
    let collection = store.collection(&request.collection_name)?;
    let ids = request.ids.into_iter().map(point_id).collect::<Result<Vec<_>, _>>()?;
    let with_payload = with_payload(request.with_payload, false)?;
    let points = collection.retrieve(&ids, with_payload, with_vectors(request.with_vectors))?;
    Ok(points.into_iter().map(record_to_proto).collect())
}

/// A page of points in the order of their ids or of a payload field.
pub fn scroll(store: &Store, request: proto::ScrollPoints) -> Result<Page, LocalError> {
    refuse_shard_key(&request.shard_key_selector)?;
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

/// How many points match.
pub fn count(store: &Store, request: proto::CountPoints) -> Result<u64, LocalError> {
    refuse_shard_key(&request.shard_key_selector)?;
    let collection = store.collection(&request.collection_name)?;
    let filter = request.filter.map(filter).transpose()?;
    let count = collection.count(filter, request.exact.unwrap_or(true))?;
    Ok(count as u64)
}

/// The best points for one query.
pub fn query(store: &Store, request: proto::QueryPoints) -> Result<Vec<proto::ScoredPoint>, LocalError> {
    let collection = store.collection(&request.collection_name)?;
    let request = query_request(request, collection.as_ref())?;
    let points = collection.query(request)?;
    Ok(points.into_iter().map(scored_to_proto).collect())
}

/// The best points for each of several queries.
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

fn refuse_shard_key(selector: &Option<proto::ShardKeySelector>) -> Result<(), LocalError> {
    match selector {
        Some(_) => Err(LocalError::unserved("shard keys")),
        None => Ok(()),
    }
}
