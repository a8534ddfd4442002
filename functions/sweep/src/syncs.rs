//! Scheduled sync runs: starting those that are due, and ending those whose operations have ended.

use dispatch::{Initiator, SyncRunStart, dispatch_all};
use domain::SyncTrigger;
use lambda::StageError;
use serde_json::json;

use crate::State;

/// Sync runs that one invocation starts at most.
const MAX_STARTED: usize = 20;
/// Sync runs that one invocation ends at most.
const MAX_SETTLED: i64 = 500;

/// Starts a run in each continuous collection that is due, and counts them.
///
/// The next due time and the run are written in one transaction: of two concurrent sweeps, one
/// starts it.
///
/// # Errors
/// Returns an error if PostgreSQL cannot be reached, or SQS: then the runs are started, and the next
/// invocation dispatches their operations like any other.
pub(crate) async fn start_due(state: &State, started: &mut usize) -> Result<(), StageError> {
    let mut committed = Vec::new();
    for _ in 0..MAX_STARTED {
        let mut tx = state.db.begin().await?;
        let Some(due) = tx.collections().claim_due().await? else {
            break;
        };
        let collection = dispatch::lock_collection(tx, due.id).await?;
        let initiator = Initiator::System { on_behalf_of: due.owner_id };
        let (queued, run) = match collection.start_sync_run(SyncTrigger::Scheduler, initiator).await? {
            SyncRunStart::Started(queued, run) => (queued, run),
            // The next due time is kept.
            SyncRunStart::AlreadyRunning(tx) | SyncRunStart::NoSources(tx) => {
                tx.commit().await?;
                continue;
            }
        };
        let details = json!({
            "sync_run_id": run.id, "triggered_by": run.triggered_by, "sources": run.expected_sources,
        });
        committed.push(queued.audit("sync_run_started", &details).await?.commit(&state.queues).await?);
        *started += 1;
        tracing::info!(
            collection.id = %due.id, sync_run.id = %run.id, sources = run.expected_sources,
            next_run_at = %due.next_run_at, "sync run started"
        );
    }
    dispatch_all(&state.db, &state.queues, committed).await
}

/// Ends runs all of whose operations have ended: the invocation that ended the last operation was
/// stopped before it could end the run.
pub(crate) async fn settle(state: &State, settled: &mut usize) -> Result<(), StageError> {
    let mut connection = state.db.connection().await?;
    let unsettled = connection.sync_runs().list_unsettled(MAX_SETTLED).await?;
    for id in unsettled {
        if let Some(status) = connection.sync_runs().settle(id).await? {
            *settled += 1;
            tracing::info!(sync_run.id = %id, sync_run.status = %status, "sync run ended");
        }
    }
    Ok(())
}
