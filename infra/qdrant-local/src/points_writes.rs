//! The writing calls of `qdrant.Points`.
//!
//! Every write is in the journal and visible to reads before the response, whether or not the client requested
//! `wait`; only the returned status differs.

use qdrant_client::qdrant::points_update_operation::Operation;
use qdrant_client::qdrant::{
    CreateFieldIndexCollection, DeleteFieldIndexCollection, PointsUpdateOperation, ShardKeySelector,
    UpdateBatchPoints, UpdateResult, UpdateStatus,
};

use crate::error::LocalError;
use crate::store::Store;

/// A write to the points of one collection.
#[derive(Debug)]
pub struct Write {
    collection_name: String,
    wait: bool,
    operation: Operation,
}

impl Write {
    /// Creates a write; `wait` as in the request.
    pub fn new(collection_name: String, wait: Option<bool>, operation: Operation) -> Self {
        Self { collection_name, wait: wait.unwrap_or(false), operation }
    }

    /// Applies the write.
    pub fn apply(self, store: &Store) -> Result<UpdateResult, LocalError> {
        let collection = store.collection(&self.collection_name)?;
        reject_shard_key(&self.operation)?;
        let operation = PointsUpdateOperation { operation: Some(self.operation) };
        Ok(update_result(collection.update(operation)?, self.wait))
    }
}

/// Applies several writes in order; stops at the first error.
pub fn update_batch(store: &Store, request: UpdateBatchPoints) -> Result<Vec<UpdateResult>, LocalError> {
    let collection = store.collection(&request.collection_name)?;
    let wait = request.wait.unwrap_or(false);
    let operations = request.operations.into_iter();
    operations
        .map(|operation| {
            operation.operation.as_ref().map_or(Ok(()), reject_shard_key)?;
            Ok(update_result(collection.update(operation)?, wait))
        })
        .collect()
}

/// Creates a payload index.
pub fn create_index(store: &Store, request: CreateFieldIndexCollection) -> Result<UpdateResult, LocalError> {
    let collection = store.collection(&request.collection_name)?;
    let wait = request.wait.unwrap_or(false);
    Ok(update_result(collection.create_index(request)?, wait))
}

/// Deletes a payload index.
pub fn delete_index(store: &Store, request: DeleteFieldIndexCollection) -> Result<UpdateResult, LocalError> {
    let collection = store.collection(&request.collection_name)?;
    let wait = request.wait.unwrap_or(false);
    Ok(update_result(collection.delete_index(request)?, wait))
}

fn update_result(sequence: u64, wait: bool) -> UpdateResult {
    let status = if wait { UpdateStatus::Completed } else { UpdateStatus::Acknowledged };
    UpdateResult { operation_id: Some(sequence), status: status as i32 }
}

fn reject_shard_key(operation: &Operation) -> Result<(), LocalError> {
    let selector: &Option<ShardKeySelector> = match operation {
        Operation::Upsert(operation) => &operation.shard_key_selector,
        Operation::DeletePoints(operation) => &operation.shard_key_selector,
        Operation::UpdateVectors(operation) => &operation.shard_key_selector,
        Operation::DeleteVectors(operation) => &operation.shard_key_selector,
        Operation::SetPayload(operation) => &operation.shard_key_selector,
        Operation::OverwritePayload(operation) => &operation.shard_key_selector,
        Operation::DeletePayload(operation) => &operation.shard_key_selector,
        Operation::ClearPayload(operation) => &operation.shard_key_selector,
        _ => &None,
    };
    match selector {
        Some(_) => Err(LocalError::unsupported("shard keys")),
        None => Ok(()),
    }
}
