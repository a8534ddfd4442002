//! Operations: what is happening to collections, and how far it is.

use std::time::{Duration, Instant};

use access::{Caller, Granted, GrantedOperation};
use axum::Json;
use axum::extract::State as Shared;
use chrono::{DateTime, Utc};
use db::operations::{ItemCounts, Operation, OperationQuery, Operations};
use domain::{
    AccessLevel, CollectionId, ErrorCategory, OperationId, OperationStatus, OperationType, SourceId,
};
use http::{HeaderName, HeaderValue};
use lambda::http::{ApiError, ApiQuery, Problem};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::State;
use crate::disclosure;
use crate::openapi::words;
use crate::paging::Paging;
use crate::validation::Checks;

/// The longest that a caller may wait for news, in seconds: API Gateway gives up after 29.
const MAX_WAIT_SECONDS: i64 = 20;
/// How often a waiting request looks, at first and at last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// An operation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperationResponse {
    #[schema(value_type = Uuid)]
    id: OperationId,
    #[schema(value_type = Uuid)]
    collection_id: CollectionId,
    /// The source it reads, if any.
    #[schema(value_type = Option<i64>)]
    source_id: Option<SourceId>,
    #[serde(rename = "type")]
    #[schema(schema_with = words::operation_type)]
    operation_type: OperationType,
    #[schema(schema_with = words::operation_status)]
    status: OperationStatus,
    /// What it was asked to do; where its source is, only for those who may write to the collection.
    #[schema(value_type = Object)]
    config: Value,
    /// Why it failed, for those who may write to the collection.
    error_message: Option<String>,
    #[schema(schema_with = words::error_category)]
    error_category: Option<ErrorCategory>,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    /// When somebody asked to stop it.
    cancel_requested_at: Option<DateTime<Utc>>,
    /// What it found. Once it ended, `counts` says how many documents were new, changed, unchanged,
    /// removed, duplicate, skipped, failed and cancelled, and `chunks` how many chunks were
    /// `embedded` and how many `reused` the vectors of an earlier version.
    #[schema(value_type = Object)]
    meta: Value,
    /// How far it is.
    progress: Progress,
}

/// How far an operation is, in documents.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Progress {
    /// Documents found so far; final when `is_listed`.
    total: i64,
    /// Documents that nothing more happens to.
    done: i64,
    /// `done` of `total`, 0 to 100; 100 only when the operation has ended.
    percent: f64,
    /// Whether its source was listed to the end.
    is_listed: bool,
    by_state: StateCounts,
}

/// Documents of an operation by their state.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct StateCounts {
    /// Known by name.
    listed: i64,
    /// With their bytes staged.
    staged: i64,
    /// Cut into chunks.
    chunked: i64,
    /// Searchable.
    completed: i64,
    /// The same as at the last run.
    unchanged: i64,
    /// With the bytes of another document.
    duplicate: i64,
    /// Removed with their vectors.
    removed: i64,
    /// With nothing to index.
    skipped: i64,
    /// Not indexed, with a reason.
    failed: i64,
    /// Not indexed, because the operation was cancelled.
    cancelled: i64,
}

impl OperationResponse {
    /// As a caller with this access sees it.
    pub(crate) fn new(operation: Operation, counts: &ItemCounts, access: AccessLevel) -> Self {
        Self {
            progress: progress(&operation, counts),
            id: operation.id,
            collection_id: operation.collection_id,
            source_id: operation.source_id,
            operation_type: operation.operation_type,
            status: operation.status,
            config: disclosure::config(access, operation.config),
            error_message: disclosure::reason(access, operation.error_message),
            error_category: operation.error_category,
            created_at: operation.created_at,
            started_at: operation.started_at,
            completed_at: operation.completed_at,
            cancel_requested_at: operation.cancel_requested_at,
            meta: operation.meta,
        }
    }

    /// An operation that the caller has just added.
    pub(crate) fn fresh(operation: Operation) -> Self {
        Self::new(operation, &ItemCounts::default(), AccessLevel::Write)
    }
}

/// How long to wait for news.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ShowOperationQuery {
    /// Answer when the operation's state or progress changes, or after this many seconds.
    #[param(minimum = 0, maximum = 20, default = 0)]
    wait_seconds: Option<i64>,
}

/// Which operations to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListOperationsQuery {
    /// One or more states, separated by commas.
    #[param(example = "pending,processing")]
    status: Option<String>,
    /// One or more types, separated by commas.
    #[param(example = "append")]
    operation_type: Option<String>,
    /// The same as `operation_type`.
    #[serde(rename = "type")]
    type_alias: Option<String>,
    /// Which page, from 1.
    #[param(minimum = 1, maximum = 1_000_000, default = 1)]
    page: Option<i64>,
    /// Operations on a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    per_page: Option<i64>,
}

impl ListOperationsQuery {
    fn check(
        &self,
        collection_id: Option<CollectionId>,
        caller: Option<&Caller>,
    ) -> Result<(Paging, OperationQuery), ApiError> {
        let mut checks = Checks::default();
        let statuses = checks.words("status", self.status.as_deref());
        let types = self.operation_type.as_deref().or(self.type_alias.as_deref());
        let types = checks.words("operation_type", types);
        checks.finish()?;
        let paging = Paging::new(self.page, self.per_page)?;
        let query = OperationQuery {
            collection_id,
            user_id: caller.map(|caller| caller.principal.user_id),
            statuses,
            types,
            limit: paging.per_page,
            offset: paging.offset(),
        };
        Ok((paging, query))
    }
}

/// A page of operations, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperationsResponse {
    operations: Vec<OperationResponse>,
    total: i64,
    page: i64,
    per_page: i64,
}

/// List the caller's operations
#[utoipa::path(
    get, path = "/api/v2/operations", tag = "operations", params(ListOperationsQuery),
    responses(
        (status = 200, body = OperationsResponse),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "A parameter is wrong."),
    ),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    caller: Caller,
    ApiQuery(query): ApiQuery<ListOperationsQuery>,
) -> Result<Json<OperationsResponse>, ApiError> {
    let (paging, query) = query.check(None, Some(&caller))?;
    let mut connection = state.db.connection().await?;
    // They asked for it themselves; a key that may only read did not.
    let (operations, total) = list_with_progress(connection.operations(), &query, caller.scope).await?;
    Ok(Json(OperationsResponse { operations, total, page: paging.page, per_page: paging.per_page }))
}

/// List a collection's operations
///
/// The answer is the bare list; the header `x-total-count` says how many there are in all.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/operations", tag = "operations",
    params(("collection_id" = Uuid, Path), ListOperationsQuery),
    responses(
        (status = 200, body = Vec<OperationResponse>, headers(("x-total-count" = i64, description = "Operations in all."))),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "A parameter is wrong."),
    ),
)]
pub(crate) async fn list_of_collection(
    Shared(state): Shared<State>,
    Granted(found): Granted,
    ApiQuery(query): ApiQuery<ListOperationsQuery>,
) -> Result<([(HeaderName, HeaderValue); 1], Json<Vec<OperationResponse>>), ApiError> {
    let mut connection = state.db.connection().await?;
    let (_, query) = query.check(Some(found.collection.id), None)?;
    let (operations, total) = list_with_progress(connection.operations(), &query, found.access).await?;
    let total = (HeaderName::from_static("x-total-count"), HeaderValue::from(total));
    Ok(([total], Json(operations)))
}

/// A page of operations and how many there are in all, by two statements whatever the page's size.
async fn list_with_progress(
    mut operations: Operations<'_>,
    query: &OperationQuery,
    access: AccessLevel,
) -> Result<(Vec<OperationResponse>, i64), ApiError> {
    let page = operations.list(query).await?;
    Ok((with_progress(operations, page.items, access).await?, page.total))
}

/// How far each of these is, by one statement.
pub(crate) async fn with_progress(
    mut operations: Operations<'_>,
    items: Vec<Operation>,
    access: AccessLevel,
) -> Result<Vec<OperationResponse>, ApiError> {
    let ids: Vec<OperationId> = items.iter().map(|operation| operation.id).collect();
    let counts = operations.item_counts_of(&ids).await?;
    let described = items.into_iter().map(|operation| {
        let counts = counts.get(&operation.id).copied().unwrap_or_default();
        OperationResponse::new(operation, &counts, access)
    });
    Ok(described.collect())
}

/// Show an operation
///
/// With `wait_seconds` the answer comes when something changed. The operation that deletes a
/// collection ends by disappearing with it.
#[utoipa::path(
    get, path = "/api/v2/operations/{operation_id}", tag = "operations",
    params(("operation_id" = Uuid, Path), ShowOperationQuery),
    responses(
        (status = 200, body = OperationResponse),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "A parameter is wrong."),
    ),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    GrantedOperation { operation, access }: GrantedOperation,
    ApiQuery(query): ApiQuery<ShowOperationQuery>,
) -> Result<Json<OperationResponse>, ApiError> {
    let mut checks = Checks::default();
    let wait_seconds = checks.range("wait_seconds", query.wait_seconds.unwrap_or(0), 0..=MAX_WAIT_SECONDS);
    checks.finish()?;
    let deadline = Instant::now() + Duration::from_secs(wait_seconds.unsigned_abs());

    let id = operation.id;
    let counts = state.db.connection().await?.operations().item_counts(id).await?;
    let mut seen = OperationSnapshot { operation, counts };
    let mut pause = FIRST_PAUSE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if is_final(seen.operation.status) || left.is_zero() {
            return Ok(Json(seen.into_response(access)));
        }
        // Nothing is held while waiting, least of all a connection.
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 3 / 2).min(LAST_PAUSE);
        let next = load_snapshot(&state, id).await?;
        let is_news = next.operation.status != seen.operation.status || next.counts != seen.counts;
        seen = next;
        if is_news {
            return Ok(Json(seen.into_response(access)));
        }
    }
}

/// An operation as it was at one moment.
struct OperationSnapshot {
    operation: Operation,
    counts: ItemCounts,
}

impl OperationSnapshot {
    fn into_response(self, access: AccessLevel) -> OperationResponse {
        OperationResponse::new(self.operation, &self.counts, access)
    }
}

async fn load_snapshot(state: &State, id: OperationId) -> Result<OperationSnapshot, ApiError> {
    let mut connection = state.db.connection().await?;
    let operation = connection.operations().find(id).await?;
    let operation = operation.ok_or_else(|| ApiError::not_found("operation", id))?;
    let counts = connection.operations().item_counts(id).await?;
    Ok(OperationSnapshot { operation, counts })
}

const fn is_final(status: OperationStatus) -> bool {
    matches!(status, OperationStatus::Completed | OperationStatus::Failed | OperationStatus::Cancelled)
}

fn progress(operation: &Operation, counts: &ItemCounts) -> Progress {
    let (total, done) = (counts.total(), counts.finished());
    Progress {
        total,
        done,
        percent: percent(done, total, is_final(operation.status)),
        is_listed: operation.scan_finished_at.is_some(),
        by_state: StateCounts {
            listed: counts.listed,
            staged: counts.staged,
            chunked: counts.chunked,
            completed: counts.completed,
            unchanged: counts.unchanged,
            duplicate: counts.duplicate,
            removed: counts.removed,
            skipped: counts.skipped,
            failed: counts.failed,
            cancelled: counts.cancelled,
        },
    }
}

/// To one decimal place.
fn percent(done: i64, total: i64, is_final: bool) -> f64 {
    if is_final {
        return 100.0;
    }
    if total == 0 {
        return 0.0;
    }
    // While the source is being listed everything found may be done already.
    let per_mille = (done * 1000 / total).min(999);
    f64::from(i32::try_from(per_mille).unwrap_or(0)) / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_percent_means_ended() {
        assert_eq!(percent(0, 0, false), 0.0);
        assert_eq!(percent(1, 3, false), 33.3);
        assert_eq!(percent(3, 3, false), 99.9);
        assert_eq!(percent(0, 0, true), 100.0);
    }
}
