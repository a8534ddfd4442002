//! Reading who did what, when and from where.

use access::Granted;
use axum::Json;
use axum::extract::State as Shared;
use chrono::{DateTime, Utc};
use db::audit::{AuditQuery, AuditRecord};
use domain::{ApiKeyId, CollectionId, OperationId, UserId};
use lambda::http::{ApiError, ApiQuery, Problem};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::State;
use crate::validation::Checks;

const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 100;

/// One thing that somebody did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditEntryResponse {
    /// Its place in the order of all entries.
    id: i64,
    /// What was done.
    #[schema(example = "permission_granted")]
    action: String,
    /// Who did it; null for the program itself, and when the account is gone.
    #[schema(value_type = Option<i64>)]
    user_id: Option<UserId>,
    /// The name that the account had then.
    username: Option<String>,
    /// The API key that it was done with, if it was one.
    #[schema(value_type = Option<Uuid>)]
    api_key_id: Option<ApiKeyId>,
    /// That key's name; null when it is gone.
    api_key_name: Option<String>,
    /// The collection it was done to; null when that is gone.
    #[schema(value_type = Option<Uuid>)]
    collection_id: Option<CollectionId>,
    /// The name that the collection had then.
    collection_name: Option<String>,
    /// The operation it started; null when that is gone.
    #[schema(value_type = Option<Uuid>)]
    operation_id: Option<OperationId>,
    /// What changed.
    #[schema(value_type = Object)]
    details: Value,
    /// Where the request came from.
    ip_address: Option<String>,
    /// What the client called itself.
    user_agent: Option<String>,
    /// The request's id, to find it in the logs.
    request_id: Option<String>,
    created_at: DateTime<Utc>,
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

/// Which entries about a collection to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListCollectionAuditQuery {
    /// Only those of this action.
    #[param(max_length = 100, example = "permission_granted")]
    action: Option<String>,
    /// Only what this user did.
    user_id: Option<i64>,
    /// Only what was done then or later.
    #[param(format = DateTime, example = "2026-01-31T00:00:00Z")]
    from: Option<String>,
    /// Only what was done before.
    #[param(format = DateTime, example = "2026-02-28T00:00:00Z")]
    to: Option<String>,
    /// Only entries before this one: the `next_before_id` of the page before.
    before_id: Option<i64>,
    /// Entries to return.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<i64>,
}

/// Which entries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListAuditQuery {
    /// Only those about this collection, while it exists.
    collection_id: Option<String>,
    /// Only those about collections of this name, whatever the case; also about those that are gone.
    #[param(max_length = 255)]
    collection_name: Option<String>,
    /// Only those of this action.
    #[param(max_length = 100, example = "permission_granted")]
    action: Option<String>,
    /// Only what this user did.
    user_id: Option<i64>,
    /// Only what was done then or later.
    #[param(format = DateTime, example = "2026-01-31T00:00:00Z")]
    from: Option<String>,
    /// Only what was done before.
    #[param(format = DateTime, example = "2026-02-28T00:00:00Z")]
    to: Option<String>,
    /// Only entries before this one: the `next_before_id` of the page before.
    before_id: Option<i64>,
    /// Entries to return.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<i64>,
}

/// Some entries, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditLogResponse {
    entries: Vec<AuditEntryResponse>,
    /// All that the filters leave, whatever `before_id` says.
    total: i64,
    limit: i64,
    /// Ask with this as `before_id` for what comes next; null at the end.
    next_before_id: Option<i64>,
}

/// List what was done to a collection
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/audit-log", tag = "audit",
    params(("collection_id" = Uuid, Path), ListCollectionAuditQuery),
    responses(
        (status = 200, body = AuditLogResponse),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "A parameter is wrong."),
    ),
)]
pub(crate) async fn list_of_collection(
    Shared(state): Shared<State>,
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
    answer(&state, &query).await
}

/// List what was done
///
/// To anything, by anybody.
#[utoipa::path(
    get, path = "/api/v2/audit-log", tag = "audit", params(ListAuditQuery),
    responses(
        (status = 200, body = AuditLogResponse),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "A parameter is wrong."),
    ),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    ApiQuery(query): ApiQuery<ListAuditQuery>,
) -> Result<Json<AuditLogResponse>, ApiError> {
    answer(&state, &query.check()?).await
}

async fn answer(state: &State, query: &AuditQuery<'_>) -> Result<Json<AuditLogResponse>, ApiError> {
    let limit = query.limit;
    // One more shows whether there is more.
    let query = AuditQuery { limit: limit + 1, ..*query };
    let page = state.db.connection().await?.audit_log().list(&query).await?;
    let mut entries: Vec<AuditEntryResponse> = page.items.into_iter().map(AuditEntryResponse::from).collect();
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = entries.len() > shown;
    entries.truncate(shown);
    let next_before_id = entries.last().filter(|_| has_more).map(|entry| entry.id);
    Ok(Json(AuditLogResponse { entries, total: page.total, limit, next_before_id }))
}

impl ListAuditQuery {
    fn check(&self) -> Result<AuditQuery<'_>, ApiError> {
        let mut checks = Checks::default();
        let collection_id = given(self.collection_id.as_deref()).and_then(|text| {
            let id = text.parse::<CollectionId>();
            if id.is_err() {
                checks.refuse("collection_id", format!("must be a UUID, got {text:?}"));
            }
            id.ok()
        });
        for (field, text, most) in
            [("collection_name", &self.collection_name, 255), ("action", &self.action, 100)]
        {
            if let Some(text) = text {
                checks.length(field, text, 0..=most);
                checks.no_nul(field, text);
            }
        }
        let from = time(&mut checks, "from", self.from.as_deref());
        let until = time(&mut checks, "to", self.to.as_deref());
        let limit = checks.range("limit", self.limit.unwrap_or(DEFAULT_LIMIT), 1..=MAX_LIMIT);
        checks.finish()?;
        Ok(AuditQuery {
            collection_id,
            collection_name: given(self.collection_name.as_deref()),
            action: given(self.action.as_deref()),
            user_id: self.user_id.map(UserId),
            from,
            until,
            before_id: self.before_id,
            limit,
        })
    }
}

fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn time(checks: &mut Checks, field: &str, text: Option<&str>) -> Option<DateTime<Utc>> {
    let text = given(text)?;
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Some(time.to_utc()),
        Err(_) => {
            checks.refuse(field, format!("must be a time like 2026-01-31T00:00:00Z, got {text:?}"));
            None
        }
    }
}
