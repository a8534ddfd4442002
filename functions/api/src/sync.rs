//! Sync runs, which read all sources of a collection again, and their schedule.

use access::{Access, Begun, Caller, Granted, Idempotency, IdempotentTx, Rate, Route};
use axum::Json;
use axum::extract::State as Shared;
use axum::response::Response;
use chrono::{DateTime, Utc};
use db::Tx;
use db::sync::{SyncRun, SyncRunQuery};
use dispatch::{Initiator, SyncRunStart, lock_collection};
use domain::AccessLevel::{Admin, Read, Write};
use domain::{AccessLevel, CollectionId, ErrorKind, SyncRunId, SyncRunStatus, SyncTrigger};
use http::StatusCode;
use lambda::http::{ApiError, ApiPath, ClientInfo, ListQuery, OffsetPage};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;
use crate::audit::{self, Change};
use crate::collections::response::{self, CollectionResponse};
use crate::openapi::words;
use crate::operations::response::{OperationResponse, with_progress};
use crate::redaction;

/// Returns the routes of sync runs.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(
            Route::requires(Access::Collection(Write))
                .limit(Rate::per_minute(60))
                .idempotent()
                .conflict("A sync run has not ended, or the collection has no sources.")
                .handles(routes!(run)),
        )
        .routes(
            Route::requires(Access::Collection(Admin))
                .conflict("The collection is not continuous.")
                .handles(routes!(pause)),
        )
        .routes(
            Route::requires(Access::Collection(Admin))
                .conflict("The collection is not continuous.")
                .handles(routes!(resume)),
        )
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(list)))
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(show)))
}

/// A sync run: reads all sources of a collection.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct SyncRunResponse {
    /// Identifies the sync run.
    #[schema(value_type = i64)]
    id: SyncRunId,
    /// The collection.
    #[schema(value_type = Uuid)]
    collection_id: CollectionId,
    /// Whether a schedule or a request started the run.
    #[schema(value_type = words::SyncTrigger)]
    triggered_by: SyncTrigger,
    /// When the run started.
    started_at: DateTime<Utc>,
    /// When the run ended; `null` before that.
    completed_at: Option<DateTime<Utc>>,
    /// `success` only if every source was read and no document failed.
    #[schema(value_type = words::SyncRunStatus)]
    status: SyncRunStatus,
    /// Sources at its start.
    expected_sources: i32,
    /// Sources that were read and none of whose documents failed.
    completed_sources: i32,
    /// Sources that could not be read, or all of whose documents failed.
    failed_sources: i32,
    /// Sources some of whose documents failed.
    partial_sources: i32,
    /// Errors by source; only for callers with write access.
    error_summary: Option<String>,
}

impl SyncRunResponse {
    /// The run as a caller with this access level sees it.
    fn new(run: SyncRun, access: AccessLevel) -> Self {
        Self {
            id: run.id,
            collection_id: run.collection_id,
            triggered_by: run.triggered_by,
            started_at: run.started_at,
            completed_at: run.completed_at,
            status: run.status,
            expected_sources: run.expected_sources,
            completed_sources: run.completed_sources,
            failed_sources: run.failed_sources,
            partial_sources: run.partial_sources,
            error_summary: redaction::redact_error(access, run.error_summary),
        }
    }
}

/// A run with its operations.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SyncRunDetailsResponse {
    #[serde(flatten)]
    run: SyncRunResponse,
    /// One for each source, in the order in which they run.
    operations: Vec<OperationResponse>,
}

/// Which runs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListSyncRunsQuery {
    /// One or more statuses, separated by commas.
    #[param(example = "failed,partial")]
    status: Option<String>,
}

/// A page of a collection's runs, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SyncRunsResponse {
    /// The sync runs of this page.
    items: Vec<SyncRunResponse>,
    /// Number of sync runs on all pages.
    total: i64,
    /// Number of skipped entries.
    offset: i64,
    /// Maximum number of entries per page.
    limit: i64,
}

/// Start a sync run
///
/// Starts an operation for each source of the collection except its uploads; they run one after the
/// other. Unchanged documents are not indexed again. The schedule of a continuous collection is not
/// affected.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/sync/run", operation_id = "startSyncRun", tag = "sync",
    params(("collection_id" = Uuid, Path)),
    responses((status = 202, body = SyncRunResponse)),
)]
pub(crate) async fn run(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
    idempotency: Idempotency,
) -> Result<Response, ApiError> {
    let collection_id = found.collection.id;
    let tx = match idempotency.begin(&state.db, caller.principal.user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    let initiator = Initiator::Caller { actor: caller.actor(), client: &client };
    let collection = lock_collection(tx, collection_id).await?;
    let conflict = |sentence: &str| Err(ApiError::new(ErrorKind::Conflict, sentence));
    let (queued, run) = match collection.start_sync_run(SyncTrigger::Manual, initiator).await? {
        SyncRunStart::Started(queued, run) => (queued, run),
        SyncRunStart::AlreadyRunning(_) => {
            return conflict(
                "a sync run of this collection has not ended; wait for it or cancel its operations",
            );
        }
        SyncRunStart::NoSources(_) => {
            return conflict("this collection has no sources; add one first");
        }
    };
    let details =
        json!({ "sync_run_id": run.id, "triggered_by": run.triggered_by, "sources": run.expected_sources });
    let audited = queued.audit("sync_run_started", &details).await?;
    let response = SyncRunResponse::new(*run, found.access);
    audited
        .commit_with(&state.db, &state.queues, async |tx: IdempotentTx| {
            tx.commit(StatusCode::ACCEPTED, &response).await
        })
        .await
}

/// Pause the schedule
///
/// No more runs start on schedule. A run in progress continues, and `sync/run` still works. Repeating
/// the request changes nothing.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/sync/pause", operation_id = "pauseSync", tag = "sync",
    params(("collection_id" = Uuid, Path)),
    responses((status = 200, body = CollectionResponse)),
)]
pub(crate) async fn pause(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
) -> Result<Response, ApiError> {
    let mut tx = state.db.begin().await?;
    let paused_at = tx.collections().pause_sync(found.collection.id).await?;
    let paused_at = paused_at.ok_or_else(no_schedule)?;
    let details =
        (found.collection.sync_paused_at != Some(paused_at)).then(|| json!({ "sync_paused_at": paused_at }));
    answer(tx, &caller, &client, &found.collection.name, found.collection.id, "sync_paused", details).await
}

/// Resume the schedule
///
/// A run that was due meanwhile starts within two minutes. Repeating the request changes nothing.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/sync/resume", operation_id = "resumeSync", tag = "sync",
    params(("collection_id" = Uuid, Path)),
    responses((status = 200, body = CollectionResponse)),
)]
pub(crate) async fn resume(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
) -> Result<Response, ApiError> {
    let mut tx = state.db.begin().await?;
    let next_run_at = tx.collections().resume_sync(found.collection.id).await?;
    let next_run_at = next_run_at.ok_or_else(no_schedule)?;
    let details = found.collection.sync_paused_at.map(|_| json!({ "sync_next_run_at": next_run_at }));
    dispatch::arm_sweep(&state.queues).await;
    answer(tx, &caller, &client, &found.collection.name, found.collection.id, "sync_resumed", details).await
}

fn no_schedule() -> ApiError {
    ApiError::new(
        ErrorKind::Conflict,
        "this collection has no schedule; set sync_mode to continuous and sync_interval_minutes first",
    )
}

/// Audits the change, if there is one, and returns the collection.
async fn answer(
    mut tx: Tx,
    caller: &Caller,
    client: &ClientInfo,
    name: &str,
    id: CollectionId,
    action: &'static str,
    details: Option<Value>,
) -> Result<Response, ApiError> {
    if let Some(details) = details {
        let collection = Some((id, name));
        let change = Change { action, actor: caller.actor(), collection, operation_id: None, details };
        audit::record(&mut tx, client, change).await?;
    }
    let found = tx.collections().find_accessible(id, &caller.principal).await?;
    let found = found.ok_or_else(|| ApiError::not_found("collection", id))?;
    let error_counts = tx.collections().error_counts(&[id]).await?;
    tx.commit().await?;
    response::answer(found, &error_counts)
}

/// List a collection's sync runs
///
/// Returns one page, latest first.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/sync/runs", operation_id = "listSyncRuns", tag = "sync",
    params(("collection_id" = Uuid, Path), ListSyncRunsQuery, OffsetPage),
    responses((status = 200, body = SyncRunsResponse)),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    Granted(found): Granted,
    ListQuery { page: slice, filters: query, mut errors }: ListQuery<OffsetPage, ListSyncRunsQuery>,
) -> Result<Json<SyncRunsResponse>, ApiError> {
    let statuses = errors.keywords("status", query.status.as_deref());
    errors.finish()?;
    let collection_id = found.collection.id;
    let query = SyncRunQuery { collection_id, statuses, limit: slice.limit, offset: slice.offset };
    let page = state.db.connection().await?.sync_runs().list(&query).await?;
    Ok(Json(SyncRunsResponse {
        items: page.items.into_iter().map(|run| SyncRunResponse::new(run, found.access)).collect(),
        total: page.total,
        offset: slice.offset,
        limit: slice.limit,
    }))
}

/// Show a sync run with its operations
///
/// Returns its counts, and the operation of each source that it reads.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/sync/runs/{run_id}", operation_id = "getSyncRun", tag = "sync",
    params(("collection_id" = Uuid, Path), ("run_id" = i64, Path)),
    responses((status = 200, body = SyncRunDetailsResponse)),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    Granted(found): Granted,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, SyncRunId)>,
) -> Result<Json<SyncRunDetailsResponse>, ApiError> {
    let mut connection = state.db.connection().await?;
    let run = connection.sync_runs().find(id).await?;
    let run = run.filter(|run| run.collection_id == collection_id);
    let run = run.ok_or_else(|| ApiError::not_found("sync run", id))?;
    let operations = connection.operations().list_of_sync_run(id).await?;
    let operations = with_progress(connection.operations(), operations, |_| found.access).await?;
    Ok(Json(SyncRunDetailsResponse { run: SyncRunResponse::new(run, found.access), operations }))
}
