//! The audit log: who did what, when and from where. Append-only.

use chrono::{DateTime, Utc};
use domain::{Actor, ApiKeyId, CollectionId, OperationId, UserId};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{DbError, Page};

/// An entry to append. Insert it in the transaction that makes the change.
#[derive(Debug, Clone)]
pub struct AuditEntry<'a> {
    /// The collection that was changed, if any.
    pub collection_id: Option<CollectionId>,
    /// The collection's name, kept after the collection is deleted.
    pub collection_name: Option<&'a str>,
    /// The operation that was started or ended.
    pub operation_id: Option<OperationId>,
    /// The caller; `None` if the system made the change.
    pub actor: Option<Actor>,
    /// The action, for example `collection_created`.
    pub action: &'a str,
    /// What changed, a JSON object. Contains no secrets and no document text.
    pub details: &'a Value,
    /// IP address of the client.
    pub ip_address: Option<&'a str>,
    /// `User-Agent` header of the request.
    pub user_agent: Option<&'a str>,
    /// ID of the request, as in the logs.
    pub request_id: Option<&'a str>,
}

/// A stored entry.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRecord {
    /// Sequence number of the entry.
    pub id: i64,
    /// The collection that was changed, unless it was deleted since.
    pub collection_id: Option<CollectionId>,
    /// The collection's name at that time.
    pub collection_name: Option<String>,
    /// The operation that was started or ended, unless it was deleted since.
    pub operation_id: Option<OperationId>,
    /// The user who made the change, unless the account was deleted since; `None` if the system made it.
    pub user_id: Option<UserId>,
    /// The user's name at that time.
    pub username: Option<String>,
    /// The API key that was used, if any.
    pub api_key_id: Option<ApiKeyId>,
    /// The key's name, unless the key was deleted since.
    pub api_key_name: Option<String>,
    /// The action.
    pub action: String,
    /// What changed, a JSON object.
    pub details: Value,
    /// IP address of the client.
    pub ip_address: Option<String>,
    /// `User-Agent` header of the request.
    pub user_agent: Option<String>,
    /// ID of the request, as in the logs.
    pub request_id: Option<String>,
    /// When the change was made.
    pub created_at: DateTime<Utc>,
}

/// Filters and paging of a list of entries.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditQuery<'a> {
    /// Only entries about this collection.
    pub collection_id: Option<CollectionId>,
    /// Only entries about collections of this name, ignoring case; includes deleted collections.
    pub collection_name: Option<&'a str>,
    /// Only entries with this action.
    pub action: Option<&'a str>,
    /// Only entries of this user.
    pub user_id: Option<UserId>,
    /// Only entries at or after this time.
    pub from: Option<DateTime<Utc>>,
    /// Only entries before this time.
    pub until: Option<DateTime<Utc>>,
    /// Only entries older than this one.
    pub before_id: Option<i64>,
    /// Maximum number of entries to return.
    pub limit: i64,
}

/// Appends to the audit log and reads it.
#[derive(Debug)]
pub struct AuditLog<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> AuditLog<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Appends an entry.
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

    /// Appends an entry about an operation that has just ended, on behalf of the user who started it.
    pub(crate) async fn insert_operation_end(&mut self, operation_sequence: i64) -> Result<(), DbError> {
        sqlx::query!(
            "INSERT INTO collection_audit_log (collection_id, collection_name, operation_id, user_id, action, details)
            SELECT c.id, c.name, o.id, o.user_id, 'operation_' || o.status::text,
                jsonb_build_object('operation_id', o.uuid, 'type', o.type, 'counts', o.meta -> 'counts')
            FROM operations o JOIN collections c ON c.id = o.collection_id
            WHERE o.id = $1",
            operation_sequence,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Returns the entries that match, newest first, and their number regardless of `before_id`.
    pub async fn list(&mut self, query: &AuditQuery<'_>) -> Result<Page<AuditRecord>, DbError> {
        let collection_id = query.collection_id.map(|id| id.0);
        let user_id = query.user_id.map(|id| id.0);
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "total!" FROM collection_audit_log
            WHERE ($1::uuid IS NULL OR collection_id = $1)
                AND ($2::text IS NULL OR lower(collection_name) = lower($2))
                AND ($3::text IS NULL OR action = $3)
                AND ($4::bigint IS NULL OR user_id = $4)
                AND ($5::timestamptz IS NULL OR created_at >= $5)
                AND ($6::timestamptz IS NULL OR created_at < $6)"#,
            collection_id,
            query.collection_name,
            query.action,
            user_id,
            query.from,
            query.until,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let rows = sqlx::query_file_as!(
            AuditRow,
            "queries/audit/list_audit_log.sql",
            collection_id,
            query.collection_name,
            query.action,
            user_id,
            query.from,
            query.until,
            query.before_id,
            query.limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(Page { items: rows.into_iter().map(AuditRecord::from).collect(), total })
    }
}

struct AuditRow {
    id: i64,
    collection_id: Option<Uuid>,
    collection_name: Option<String>,
    operation_id: Option<Uuid>,
    user_id: Option<i64>,
    username: Option<String>,
    api_key_id: Option<Uuid>,
    api_key_name: Option<String>,
    action: String,
    details: Value,
    ip_address: Option<String>,
    user_agent: Option<String>,
    request_id: Option<String>,
    created_at: DateTime<Utc>,
}

impl From<AuditRow> for AuditRecord {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            collection_id: row.collection_id.map(CollectionId),
            collection_name: row.collection_name,
            operation_id: row.operation_id.map(OperationId),
            user_id: row.user_id.map(UserId),
            username: row.username,
            api_key_id: row.api_key_id.map(ApiKeyId),
            api_key_name: row.api_key_name,
            action: row.action,
            details: row.details,
            ip_address: row.ip_address,
            user_agent: row.user_agent,
            request_id: row.request_id,
            created_at: row.created_at,
        }
    }
}
