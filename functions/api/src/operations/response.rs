//! Operations in responses.

use chrono::{DateTime, Utc};
use db::operations::{ItemCounts, Operation, Operations, Wait};
use domain::{
    AccessLevel, CollectionId, ErrorCategory, OperationId, OperationStatus, OperationType, SourceId,
    TransientError, WaitingFor,
};
use lambda::http::ApiError;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::openapi::words;
use crate::redaction;

/// An operation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperationResponse {
    /// Identifies the operation.
    #[schema(value_type = Uuid)]
    id: OperationId,
    /// The collection.
    #[schema(value_type = Uuid)]
    collection_id: CollectionId,
    /// The source it reads, if any.
    #[schema(value_type = Option<i64>)]
    source_id: Option<SourceId>,
    /// Type of the operation.
    #[serde(rename = "type")]
    #[schema(value_type = words::OperationType)]
    operation_type: OperationType,
    /// State of the operation.
    #[schema(value_type = words::OperationStatus)]
    status: OperationStatus,
    /// Its settings; the location of its source only for callers with write access.
    #[schema(value_type = Object)]
    config: Value,
    /// Why it failed; only for callers with write access.
    error_message: Option<String>,
    /// Category of the failure, for failed operations.
    #[schema(value_type = Option<words::ErrorCategory>)]
    error_category: Option<ErrorCategory>,
    /// What an open operation, or some of its documents, waits for; `null` while it progresses. `another_operation`: an
    /// older one of the collection. `retry`: another attempt after an unexpected error. The others are unavailable, and
    /// what needs them is tried again by itself.
    #[schema(value_type = Option<words::WaitingFor>)]
    waiting_for: Option<WaitingFor>,
    /// The last error after which it is tried again, while it waits for something.
    #[schema(value_type = Option<words::TransientError>)]
    last_transient_error: Option<TransientError>,
    /// When it is tried again, while it waits after an error.
    next_attempt_at: Option<DateTime<Utc>>,
    /// When the operation was requested.
    created_at: DateTime<Utc>,
    /// When the operation started; `null` while it is pending.
    started_at: Option<DateTime<Utc>>,
    /// When the operation ended; `null` before that.
    completed_at: Option<DateTime<Utc>>,
    /// When its cancellation was requested.
    cancel_requested_at: Option<DateTime<Utc>>,
    /// Its results. After its end, `counts` has the numbers of documents that were new, changed,
    /// unchanged, removed, duplicate, skipped, failed and cancelled, and `chunks` the numbers of chunks
    /// that were `embedded` or `reused` the vectors of an earlier version or of a document with the same bytes.
    /// `warnings` has the numbers of documents with each warning, by its code.
    /// `duplicate` counts only in operations of before 2026-12.
    #[schema(value_type = Object)]
    meta: Value,
    /// Its progress.
    progress: Progress,
}

/// The progress of an operation, in documents.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Progress {
    /// Documents found so far; final when `is_listed`.
    total: i64,
    /// Documents in a final state.
    done: i64,
    /// `done` of `total` in percent; 100 only when the operation has ended.
    percent: f64,
    /// Whether its source is listed completely.
    is_listed: bool,
    /// Number of documents per state.
    by_state: StateCounts,
}

/// Documents of an operation by their state.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct StateCounts {
    /// Listed, not read yet.
    listed: i64,
    /// Bytes staged.
    staged: i64,
    /// Split into chunks.
    chunked: i64,
    /// Searchable.
    completed: i64,
    /// Unchanged since the last run.
    unchanged: i64,
    /// Same bytes as another document, in operations of before 2026-12; such documents are indexed now.
    duplicate: i64,
    /// Removed with their vectors.
    removed: i64,
    /// Nothing to index.
    skipped: i64,
    /// Not indexed; the document has the reason.
    failed: i64,
    /// Not indexed, because the operation was cancelled.
    cancelled: i64,
}

impl OperationResponse {
    /// The operation as a caller with this access level sees it.
    pub(crate) fn new(operation: Operation, counts: &ItemCounts, access: AccessLevel) -> Self {
        Self {
            progress: progress(&operation, counts),
            id: operation.id,
            collection_id: operation.collection_id,
            source_id: operation.source_id,
            operation_type: operation.operation_type,
            status: operation.status,
            config: redaction::redact_config(access, operation.config),
            error_message: redaction::redact_error(access, operation.error_message),
            error_category: operation.error_category,
            waiting_for: None,
            last_transient_error: None,
            next_attempt_at: None,
            created_at: operation.created_at,
            started_at: operation.started_at,
            completed_at: operation.completed_at,
            cancel_requested_at: operation.cancel_requested_at,
            meta: operation.meta,
        }
    }

    /// Adds what the operation waits for.
    pub(crate) fn with_wait(self, wait: Option<Wait>) -> Self {
        Self {
            waiting_for: wait.map(|wait| wait.waiting_for),
            last_transient_error: wait.and_then(|wait| wait.error),
            next_attempt_at: wait.and_then(|wait| wait.next_attempt_at),
            ..self
        }
    }

    /// An operation that the caller has just started.
    pub(crate) fn fresh(operation: Operation) -> Self {
        Self::new(operation, &ItemCounts::default(), AccessLevel::Write)
    }
}

/// Adds the progress of each operation and what it waits for, with two statements. `access` returns the caller's access to a
/// collection.
pub(crate) async fn with_progress(
    mut operations: Operations<'_>,
    items: Vec<Operation>,
    access: impl Fn(CollectionId) -> AccessLevel,
) -> Result<Vec<OperationResponse>, ApiError> {
    let ids: Vec<OperationId> = items.iter().map(|operation| operation.id).collect();
    let counts = operations.item_counts_of(&ids).await?;
    let waits = operations.waits_of(&ids).await?;
    let described = items.into_iter().map(|operation| {
        let counts = counts.get(&operation.id).copied().unwrap_or_default();
        let access = access(operation.collection_id);
        let wait = waits.get(&operation.id).copied();
        OperationResponse::new(operation, &counts, access).with_wait(wait)
    });
    Ok(described.collect())
}

pub(crate) const fn is_final(status: OperationStatus) -> bool {
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

/// Rounds down to one decimal place.
fn percent(done: i64, total: i64, is_final: bool) -> f64 {
    if is_final {
        return 100.0;
    }
    if total == 0 {
        return 0.0;
    }
    // While the source is being listed, everything that is known so far may be done.
    let per_mille = (done * 1000 / total).min(999);
    f64::from(i32::try_from(per_mille).unwrap_or(0)) / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hundred_percent_means_that_the_operation_has_ended() {
        assert_eq!(percent(0, 0, false), 0.0);
        assert_eq!(percent(1, 3, false), 33.3);
        assert_eq!(percent(3, 3, false), 99.9);
        assert_eq!(percent(0, 0, true), 100.0);
    }
}
