//! Operations on documents.

use db::operations::NewOperation;
use domain::{CollectionId, OperationId, OperationType, UserId};
use serde_json::json;
use uuid::Uuid;

/// Describes a new operation on documents of the collection, of any source.
pub(crate) fn new_operation(
    operation_type: OperationType,
    collection_id: CollectionId,
    user_id: UserId,
) -> NewOperation {
    NewOperation {
        id: OperationId(Uuid::new_v4()),
        collection_id,
        user_id,
        source_id: None,
        operation_type,
        config: json!({}),
    }
}
