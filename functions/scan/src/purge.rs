//! Purges a deleted collection.

use std::time::Duration;

use db::audit::AuditEntry;
use db::collections::Collection;
use db::operations::Operation;
use domain::{Actor, ArtifactKey};
use lambda::StageError;
use lambda::event::Invocation;

use crate::State;
use crate::work_list::continue_later;

/// With less time than this left, another invocation continues.
const PAGE_TIME: Duration = Duration::from_secs(30);

/// Deletes the collection's points, then its objects, then its rows. The rows are last, because the
/// operation is one of them and resumes only while it exists. The audit log stays.
pub(crate) async fn purge(
    state: &State,
    operation: &Operation,
    collection: &Collection,
    invocation: &Invocation,
) -> Result<&'static str, StageError> {
    state.vectors.delete_index(&collection.vector_store_name).await?;
    let others = state.db.connection().await?.retired_vector_stores().retire_all(collection.id).await?;
    for name in others {
        state.vectors.delete_index(&name).await?;
    }
    for prefix in ArtifactKey::PREFIXES {
        while state.artifacts.delete_page(prefix, collection.id).await? {
            if invocation.remaining() < PAGE_TIME {
                continue_later(state, operation.id).await?;
                return Ok("purged in part");
            }
        }
    }
    let mut tx = state.db.begin().await?;
    let details = serde_json::json!({"operation_id": operation.id, "collection_id": collection.id});
    tx.audit_log()
        .insert(&AuditEntry {
            collection_id: Some(collection.id),
            collection_name: Some(&collection.name),
            operation_id: Some(operation.id),
            actor: Some(Actor::user(operation.user_id)),
            action: "collection_purged",
            details: &details,
            ip_address: None,
            user_agent: None,
            request_id: Some(&invocation.request_id),
        })
        .await?;
    let is_deleted = tx.collections().delete(collection.id).await?;
    tx.commit().await?;
    Ok(if is_deleted { "purged" } else { "done before" })
}
