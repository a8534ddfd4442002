//! Writes down who did what, in the transaction that did it.

use db::audit_log::AuditEntry;
use db::{DbError, Tx};
use domain::{Actor, CollectionId, OperationId};
use lambda::http::ClientInfo;
use serde_json::Value;

/// One change.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    /// What was done, e.g. `collection_created`.
    pub action: &'static str,
    /// Who did it.
    pub actor: Actor,
    /// The collection it was done to, with its name.
    pub collection: Option<(CollectionId, &'a str)>,
    /// The operation it started.
    pub operation_id: Option<OperationId>,
    /// The change in short, an object. Never a secret.
    pub details: Value,
}

pub(crate) async fn record(tx: &mut Tx, client: &ClientInfo, change: Change<'_>) -> Result<(), DbError> {
    let entry = AuditEntry {
        collection_id: change.collection.map(|(id, _)| id),
        collection_name: change.collection.map(|(_, name)| name),
        operation_id: change.operation_id,
        actor: Some(change.actor),
        action: change.action,
        details: &change.details,
        ip_address: client.ip_address.as_deref(),
        user_agent: client.user_agent.as_deref(),
        request_id: Some(&client.request_id),
    };
    tx.audit_log().insert(&entry).await
}
