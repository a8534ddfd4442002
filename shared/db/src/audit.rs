//! Who did what, when and from where. Rows are only ever added.

use chrono::{DateTime, Utc};
use domain::{Actor, ApiKeyId, CollectionId, OperationId, UserId};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{DbError, Page};

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

/// An entry as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRecord {
    /// Its place in the order of all entries.
    pub id: i64,
    /// The collection it was done to, while that exists.
    pub collection_id: Option<CollectionId>,
    /// The name that the collection had then.
    pub collection_name: Option<String>,
    /// The operation it started or ended, while that exists.
    pub operation_id: Option<OperationId>,
    /// Who did it, while the account exists; `None` for the program itself.
    pub user_id: Option<UserId>,
    /// The name that the account had then.
    pub username: Option<String>,
    /// The API key that it was done with, if it was one.
    pub api_key_id: Option<ApiKeyId>,
    /// That key's name, while it exists.
    pub api_key_name: Option<String>,
    /// What was done.
    pub action: String,
    /// What changed, an object.
    pub details: Value,
    /// Where the request came from.
    pub ip_address: Option<String>,
    /// What the client called itself.
    pub user_agent: Option<String>,
    /// The request's id, as in the logs.
    pub request_id: Option<String>,
    /// When it was done.
    pub created_at: DateTime<Utc>,
}

/// Which entries a list shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditQuery<'a> {
    /// Only those about this collection.
    pub collection_id: Option<CollectionId>,
    /// Only those about collections of this name, whatever the case: also of those that are gone.
    pub collection_name: Option<&'a str>,
    /// Only those of this action.
    pub action: Option<&'a str>,
    /// Only what this user did.
    pub user_id: Option<UserId>,
    /// Only what was done then or later.
    pub from: Option<DateTime<Utc>>,
    /// Only what was done before.
    pub until: Option<DateTime<Utc>>,
    /// Only entries before this one.
    pub before_id: Option<i64>,
    /// The most to return.
    pub limit: i64,
}

/// Adds to the audit log, and reads it.
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

    /// The entries that the query asks for, newest first, and how many there are whatever
    /// `before_id` says.
    ///
    /// # Errors
    /// When the database does not answer.
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
