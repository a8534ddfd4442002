//! Shows an operation, at once or by long polling.

use std::time::{Duration, Instant};

use access::GrantedOperation;
use axum::Json;
use axum::extract::State as Shared;
use db::Connection;
use db::operations::{ItemCounts, Operation, Wait};
use domain::{AccessLevel, OperationId};
use lambda::http::{ApiError, ApiQuery, FieldErrors};
use serde::Deserialize;
use utoipa::IntoParams;

use super::response::{OperationResponse, is_final};
use crate::State;

/// Maximum duration of a long poll in seconds; API Gateway times out after 29.
const MAX_WAIT_SECONDS: i64 = 20;
/// Interval between two reads of the operation during a long poll, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// How long to wait for a change.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ShowOperationQuery {
    /// Long-polls: responds when the status, the progress or what it waits for changes, or after this many seconds.
    #[param(minimum = 0, maximum = 20, default = 0)]
    wait_seconds: Option<i64>,
}

/// Show an operation
///
/// With `wait_seconds` it long-polls for a change. The operation that deletes a collection is deleted
/// with it: 404 then means that it has ended.
#[utoipa::path(
    get, path = "/api/v2/operations/{operation_id}", operation_id = "getOperation", tag = "operations",
    params(("operation_id" = Uuid, Path), ShowOperationQuery),
    responses((status = 200, body = OperationResponse)),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    GrantedOperation { operation, access }: GrantedOperation,
    ApiQuery(query): ApiQuery<ShowOperationQuery>,
) -> Result<Json<OperationResponse>, ApiError> {
    let mut errors = FieldErrors::default();
    let wait_seconds = errors.range("wait_seconds", query.wait_seconds.unwrap_or(0), 0..=MAX_WAIT_SECONDS);
    errors.finish()?;
    let deadline = Instant::now() + Duration::from_secs(wait_seconds.unsigned_abs());

    let id = operation.id;
    let mut connection = state.db.connection().await?;
    let mut seen = load_snapshot_of(&mut connection, operation).await?;
    drop(connection);
    let mut pause = FIRST_PAUSE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if is_final(seen.operation.status) || left.is_zero() {
            return Ok(Json(seen.into_response(access)));
        }
        // No database connection is held while waiting.
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 3 / 2).min(LAST_PAUSE);
        let next = load_snapshot(&state, id).await?;
        let waits_for = |snapshot: &OperationSnapshot| snapshot.wait.map(|wait| wait.waiting_for);
        let has_changed = next.operation.status != seen.operation.status
            || next.counts != seen.counts
            || waits_for(&next) != waits_for(&seen);
        seen = next;
        if has_changed {
            return Ok(Json(seen.into_response(access)));
        }
    }
}

/// An operation, its counts and what it waits for at one moment.
struct OperationSnapshot {
    operation: Operation,
    counts: ItemCounts,
    wait: Option<Wait>,
}

impl OperationSnapshot {
    fn into_response(self, access: AccessLevel) -> OperationResponse {
        OperationResponse::new(self.operation, &self.counts, access).with_wait(self.wait)
    }
}

async fn load_snapshot(state: &State, id: OperationId) -> Result<OperationSnapshot, ApiError> {
    let mut connection = state.db.connection().await?;
    let operation = connection.operations().find(id).await?;
    let operation = operation.ok_or_else(|| ApiError::not_found("operation", id))?;
    load_snapshot_of(&mut connection, operation).await
}

async fn load_snapshot_of(
    connection: &mut Connection,
    operation: Operation,
) -> Result<OperationSnapshot, ApiError> {
    let counts = connection.operations().item_counts(operation.id).await?;
    let wait = connection.operations().waits_of(&[operation.id]).await?.remove(&operation.id);
    Ok(OperationSnapshot { operation, counts, wait })
}
