//! Listing entries of the audit log.

use access::{Caller, Granted};
use axum::Json;
use axum::extract::State as Shared;
use chrono::{DateTime, Utc};
use db::audit::{AuditQuery, AuditRecord};
use domain::{ApiKeyId, CollectionId, OperationId, UserId};
use lambda::http::{ApiError, ApiQuery, FieldErrors, non_empty};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::State;

const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 100;

/// An entry of the audit log: one change.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditEntryResponse {
    /// Identifies the entry; increases with time.
    id: i64,
    /// The action.
    #[schema(example = "permission_granted")]
    action: String,
    /// The user who made the change; `null` for the system, and after the account was deleted.
    #[schema(value_type = Option<i64>)]
    user_id: Option<UserId>,
    /// The username at that time.
    username: Option<String>,
    /// The API key that made the change, if one was used.
    #[schema(value_type = Option<Uuid>)]
    api_key_id: Option<ApiKeyId>,
    /// The API key's current name; `null` after it was deleted.
    api_key_name: Option<String>,
    /// The changed collection, if any; `null` after it was deleted.
    #[schema(value_type = Option<Uuid>)]
    collection_id: Option<CollectionId>,
    /// The collection's name at that time.
    collection_name: Option<String>,
    /// The operation that the change started, if any; `null` after it was deleted.
    #[schema(value_type = Option<Uuid>)]
    operation_id: Option<OperationId>,
    /// The change, depending on the action; often `before` and `after` with the changed fields.
    #[schema(value_type = Object)]
    details: Value,
    /// The client's IP address. In the log of a collection, only of the caller's own changes.
    ip_address: Option<String>,
    /// The client's `User-Agent` header. In the log of a collection, only of the caller's own changes.
    user_agent: Option<String>,
    /// The request's id, as in its response headers and in the logs.
    request_id: Option<String>,
    /// When the change was made.
    created_at: DateTime<Utc>,
}

impl AuditEntryResponse {
    /// Hides where another user's request came from: sharing a collection does not share that.
    fn without_client_of_others(self, caller: UserId) -> Self {
        if self.user_id == Some(caller) {
            return self;
        }
        Self { ip_address: None, user_agent: None, ..self }
    }
}

impl From<AuditRecord> for AuditEntryResponse {
    fn from(record: AuditRecord) -> Self {
        Self {
            id: record.id,
            action: record.action,
            user_id: record.user_id,
            username: record.username,
            api_key_id: record.api_key_id,
            api_key_name: record.api_key_name,
            collection_id: record.collection_id,
            collection_name: record.collection_name,
            operation_id: record.operation_id,
            details: record.details,
            ip_address: record.ip_address,
            user_agent: record.user_agent,
            request_id: record.request_id,
            created_at: record.created_at,
        }
    }
}

/// Filter and page of a collection's entries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListCollectionAuditQuery {
    /// Only entries of this action.
    #[param(max_length = 100, example = "permission_granted")]
    action: Option<String>,
    /// Only changes made by this user.
    user_id: Option<i64>,
    /// Only changes at or after this time (RFC 3339).
    #[param(format = DateTime, example = "2026-01-31T00:00:00Z")]
    from: Option<String>,
    /// Only changes before this time (RFC 3339).
    #[param(format = DateTime, example = "2026-02-28T00:00:00Z")]
    to: Option<String>,
    /// Only entries older than this one: the `next_before_id` of the previous page.
    before_id: Option<i64>,
    /// Maximum number of entries to return.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<i64>,
}

/// Filter and page of all entries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListAuditQuery {
    /// Only changes of this existing collection.
    collection_id: Option<String>,
    /// Only changes of collections with this name, ignoring case; includes deleted collections.
    #[param(max_length = 255)]
    collection_name: Option<String>,
    /// Only entries of this action.
    #[param(max_length = 100, example = "permission_granted")]
    action: Option<String>,
    /// Only changes made by this user.
    user_id: Option<i64>,
    /// Only changes at or after this time (RFC 3339).
    #[param(format = DateTime, example = "2026-01-31T00:00:00Z")]
    from: Option<String>,
    /// Only changes before this time (RFC 3339).
    #[param(format = DateTime, example = "2026-02-28T00:00:00Z")]
    to: Option<String>,
    /// Only entries older than this one: the `next_before_id` of the previous page.
    before_id: Option<i64>,
    /// Maximum number of entries to return.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<i64>,
}

/// A page of entries, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditLogResponse {
    /// The entries of this page.
    entries: Vec<AuditEntryResponse>,
    /// Number of entries that match the filter, regardless of `before_id`.
    total: i64,
    /// The maximum number of entries per page.
    limit: i64,
    /// Send it as `before_id` to get the next page; `null` on the last page.
    next_before_id: Option<i64>,
}

/// List the audit log of a collection
///
/// Requires `admin` access to the collection. IP addresses and user agents are those of the caller's own
/// changes only; superusers see all of them in `GET /api/v2/audit-log`.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/audit-log", operation_id = "listCollectionAuditLog", tag = "audit",
    params(("collection_id" = Uuid, Path), ListCollectionAuditQuery),
    responses((status = 200, body = AuditLogResponse)),
)]
pub(crate) async fn list_of_collection(
    Shared(state): Shared<State>,
    caller: Caller,
    Granted(found): Granted,
    ApiQuery(query): ApiQuery<ListCollectionAuditQuery>,
) -> Result<Json<AuditLogResponse>, ApiError> {
    let query = ListAuditQuery {
        collection_id: None,
        collection_name: None,
        action: query.action,
        user_id: query.user_id,
        from: query.from,
        to: query.to,
        before_id: query.before_id,
        limit: query.limit,
    };
    let query = AuditQuery { collection_id: Some(found.collection.id), ..query.check()? };
    let mut log = load(&state, &query).await?;
    let caller = caller.principal.user_id;
    log.entries = log.entries.into_iter().map(|entry| entry.without_client_of_others(caller)).collect();
    Ok(Json(log))
}

/// List the audit log
///
/// Requires a superuser. Covers the whole installation.
#[utoipa::path(
    get, path = "/api/v2/audit-log", operation_id = "listAuditLog", tag = "audit", params(ListAuditQuery),
    responses((status = 200, body = AuditLogResponse)),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    ApiQuery(query): ApiQuery<ListAuditQuery>,
) -> Result<Json<AuditLogResponse>, ApiError> {
    load(&state, &query.check()?).await.map(Json)
}

async fn load(state: &State, query: &AuditQuery<'_>) -> Result<AuditLogResponse, ApiError> {
    let limit = query.limit;
    // One more row tells whether there is a next page.
    let query = AuditQuery { limit: limit + 1, ..*query };
    let page = state.db.connection().await?.audit_log().list(&query).await?;
    let mut entries: Vec<AuditEntryResponse> = page.items.into_iter().map(AuditEntryResponse::from).collect();
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = entries.len() > shown;
    entries.truncate(shown);
    let next_before_id = entries.last().filter(|_| has_more).map(|entry| entry.id);
    Ok(AuditLogResponse { entries, total: page.total, limit, next_before_id })
}

impl ListAuditQuery {
    fn check(&self) -> Result<AuditQuery<'_>, ApiError> {
        let mut errors = FieldErrors::default();
        let collection_id = non_empty(self.collection_id.as_deref()).and_then(|text| {
            let id = text.parse::<CollectionId>();
            if id.is_err() {
                errors.add("collection_id", format!("wrong format; a UUID allowed, got {text:?}"));
            }
            id.ok()
        });
        for (field, text, most) in
            [("collection_name", &self.collection_name, 255), ("action", &self.action, 100)]
        {
            if let Some(text) = text {
                errors.length(field, text, 0..=most);
                errors.no_nul(field, text);
            }
        }
        let from = parse_time(&mut errors, "from", self.from.as_deref());
        let until = parse_time(&mut errors, "to", self.to.as_deref());
        let limit = errors.range("limit", self.limit.unwrap_or(DEFAULT_LIMIT), 1..=MAX_LIMIT);
        errors.finish()?;
        Ok(AuditQuery {
            collection_id,
            collection_name: non_empty(self.collection_name.as_deref()),
            action: non_empty(self.action.as_deref()),
            user_id: self.user_id.map(UserId),
            from,
            until,
            before_id: self.before_id,
            limit,
        })
    }
}

fn parse_time(errors: &mut FieldErrors, field: &str, text: Option<&str>) -> Option<DateTime<Utc>> {
    let text = non_empty(text)?;
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Some(time.to_utc()),
        Err(_) => {
            errors.add(
                field,
                format!("wrong format; an RFC 3339 time like 2026-01-31T00:00:00Z allowed, got {text:?}"),
            );
            None
        }
    }
}
