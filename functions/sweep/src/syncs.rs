//! Runs whose time has come, and runs that nobody ended.

use db::audit::AuditEntry;
use db::sync::{DueCollection, NewSyncRun, SyncRun, SyncStart};
use db::{DbError, Tx};
use domain::SyncTrigger;
use lambda::StageError;
use serde_json::json;

use crate::State;

/// The most runs that one sweep starts; the next sweep goes on.
const MOST_STARTED: usize = 20;
/// The most runs that one sweep ends.
const MOST_SETTLED: i64 = 500;

/// Starts a run in each continuous collection that is due, and counts them.
///
/// Plan and run are written in one transaction, so that of two sweeps at once one starts it.
///
/// # Errors
/// When the database does not answer. When the queue does not: the runs are started then, and
/// their messages are left to the next sweep like those of any other operation.
pub(crate) async fn start_due(state: &State, started: &mut usize) -> Result<(), StageError> {
    let mut sent = Ok(());
    for _ in 0..MOST_STARTED {
        let mut tx = state.db.begin().await?;
        let Some(due) = tx.collections().claim_due().await? else {
            break;
        };
        let new = NewSyncRun {
            collection_id: due.id,
            triggered_by: SyncTrigger::Scheduler,
            requested_by: None,
            user_id: due.owner_id,
        };
        let start = tx.sync_runs().start(new).await?;
        if let SyncStart::Started { run, .. } = &start {
            record(&mut tx, &due, run).await?;
        }
        tx.commit().await?;
        if let SyncStart::Started { run, .. } = start {
            *started += 1;
            tracing::info!(
                collection.id = %due.id, sync_run.id = %run.id, sources = run.expected_sources,
                next_run_at = %due.next_run_at, "sync run started"
            );
            if sent.is_ok() {
                sent = dispatch::start_next(&state.db, &state.queues, due.id).await;
            }
        }
    }
    sent
}

async fn record(tx: &mut Tx, due: &DueCollection, run: &SyncRun) -> Result<(), DbError> {
    let entry = AuditEntry {
        collection_id: Some(due.id),
        collection_name: Some(&due.name),
        operation_id: None,
        actor: None,
        action: "sync_run_started",
        details: &json!({
            "sync_run_id": run.id, "triggered_by": run.triggered_by, "sources": run.expected_sources,
        }),
        ip_address: None,
        user_agent: None,
        request_id: None,
    };
    tx.audit_log().insert(&entry).await
}

/// Ends runs whose last operation was ended by somebody who was stopped before they could say so.
pub(crate) async fn settle(state: &State, settled: &mut usize) -> Result<(), StageError> {
    let mut connection = state.db.connection().await?;
    let unsettled = connection.sync_runs().list_unsettled(MOST_SETTLED).await?;
    for id in unsettled {
        if let Some(status) = connection.sync_runs().settle(id).await? {
            *settled += 1;
            tracing::info!(sync_run.id = %id, sync_run.status = %status, "sync run ended");
        }
    }
    Ok(())
}
