//! The end of a collection whose deletion was asked for.

use std::time::Duration;

use db::audit::AuditEntry;
use db::collections::Collection;
use db::operations::Operation;
use domain::{Actor, ArtifactKey, ScanMessage};
use lambda::StageError;
use lambda::event::Invocation;

use crate::State;

/// With less time than this left, another invocation goes on.
const RESERVE: Duration = Duration::from_secs(30);

/// Removes the collection's points, then its objects, then its rows. The rows go last: as long as
/// they are there, the operation is, and goes on. The audit log stays.
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
            if invocation.remaining() < RESERVE {
                state.queues.send_scan(&[ScanMessage::RunOperation { operation_id: operation.id }]).await?;
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
            actor: Some(Actor::person(operation.user_id)),
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
