//! Push runs in responses.

use chrono::{DateTime, Utc};
use db::sources::{PushRun, PushRuns};
use domain::{CollectionId, OperationId, PushRunId, PushRunStatus, PushSource};
use lambda::http::ApiError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::openapi::words;

/// A push run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PushRunResponse {
    /// Identifies the run, as `run_id` of pushes.
    #[schema(value_type = Uuid)]
    run_id: PushRunId,
    /// Name of its source.
    source: String,
    /// Status of the run.
    #[schema(value_type = words::PushRunStatus)]
    status: PushRunStatus,
    /// Number of documents that it has named; 0 if it had no effect.
    named: i64,
    /// Number of documents that were gone and removed at its end.
    removed: i64,
    /// Number of documents that were gone and kept, because the source's `on_missing` is `keep`.
    stale: i64,
    /// The operation that removes them; `null` if there is none.
    #[schema(value_type = Option<Uuid>)]
    operation_id: Option<OperationId>,
    /// When it began.
    started_at: DateTime<Utc>,
    /// When it ended; `null` while it is open.
    ended_at: Option<DateTime<Utc>>,
}

impl From<PushRun> for PushRunResponse {
    fn from(run: PushRun) -> Self {
        let source = PushSource::of_path(&run.source_path);
        Self {
            run_id: run.id,
            source: source.map_or(run.source_path, |source| source.as_str().to_owned()),
            status: run.status,
            named: run.named,
            removed: run.gone.removed,
            stale: run.gone.stale,
            operation_id: run.operation_id,
            started_at: run.started_at,
            ended_at: run.ended_at,
        }
    }
}

/// Returns the run.
///
/// # Errors
/// Returns 404 if it is not in this collection.
pub(super) async fn find(
    mut runs: PushRuns<'_>,
    collection_id: CollectionId,
    id: PushRunId,
) -> Result<PushRun, ApiError> {
    let run = runs.find(id).await?;
    let run = run.filter(|run| run.collection_id == collection_id);
    run.ok_or_else(|| ApiError::not_found("push run", id))
}
