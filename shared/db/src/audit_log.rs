//! Who did what, when and from where. Rows are only ever added.

use domain::{Actor, CollectionId, OperationId};
use serde_json::Value;
use sqlx::PgConnection;

use crate::DbError;

/// One thing that somebody did. Write it in the transaction that does it.
#[derive(Debug, Clone)]
pub struct AuditEntry<'a> {
    /// The collection it was done to, if any.
    pub collection_id: Option<CollectionId>,
    /// That collection's name, which outlives it.
    pub collection_name: Option<&'a str>,
    /// The operation it started or ended.
    pub operation_id: Option<OperationId>,
    /// Who did it; `None` for the program itself.
    pub actor: Option<Actor>,
    /// What was done, e.g. `collection_created`.
    pub action: &'a str,
    /// What changed, an object. Never a secret, never document text.
    pub details: &'a Value,
    /// Where the request came from.
    pub ip_address: Option<&'a str>,
    /// What the client calls itself.
    pub user_agent: Option<&'a str>,
    /// The request's id, as in the logs.
    pub request_id: Option<&'a str>,
}

/// Adds to the audit log.
#[derive(Debug)]
pub struct AuditLog<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> AuditLog<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Adds an entry.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn insert(&mut self, entry: &AuditEntry<'_>) -> Result<(), DbError> {
        sqlx::query!(
            "INSERT INTO collection_audit_log (collection_id, collection_name, operation_id, user_id,
                username, api_key_id, action, details, ip_address, user_agent, request_id)
            VALUES ($1, $2, (SELECT id FROM operations WHERE uuid = $3), $4,
                (SELECT username FROM users WHERE id = $4), $5, $6, $7, $8, $9, $10)",
            entry.collection_id.map(|id| id.0),
            entry.collection_name,
            entry.operation_id.map(|id| id.0),
            entry.actor.map(|actor| actor.user_id.0),
            entry.actor.and_then(|actor| actor.api_key_id).map(|id| id.0),
            entry.action,
            entry.details,
            entry.ip_address,
            entry.user_agent,
            entry.request_id,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}
