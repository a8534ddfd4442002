//! Shows and ends a push run.

use access::{Caller, Granted};
use axum::Json;
use axum::extract::State as Shared;
use db::sources::{Gone, PushRun};
use dispatch::{Initiator, lock_collection};
use domain::{CollectionId, ErrorKind, OnMissing, PushRunId, PushRunStatus};
use http::StatusCode;
use lambda::http::{ApiError, ApiPath, ClientInfo};
use serde_json::json;

use super::response::{PushRunResponse, find};
use crate::State;
use crate::audit::{self, Change};
use crate::documents::removal::start_removal;

/// Show a push run
///
/// Returns its status and how many documents it has named.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/push-runs/{push_run_id}", operation_id = "getPushRun", tag = "push-runs",
    params(("collection_id" = Uuid, Path), ("push_run_id" = Uuid, Path)),
    responses((status = 200, body = PushRunResponse)),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, PushRunId)>,
) -> Result<Json<PushRunResponse>, ApiError> {
    let mut connection = state.db.connection().await?;
    Ok(Json(find(connection.push_runs(), collection_id, id).await?.into()))
}

/// End a push run
///
/// What the source has in the collection and the run has not named is gone: it is removed from lists and search results at
/// once, and its vectors by the operation of the response; or it is kept and marked as stale, if the source's `on_missing`
/// is `keep`. What was pushed and is still on its way counts as named. The request can be repeated.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/push-runs/{push_run_id}/end", operation_id = "endPushRun", tag = "push-runs",
    params(("collection_id" = Uuid, Path), ("push_run_id" = Uuid, Path)),
    responses((status = 202, body = PushRunResponse)),
)]
pub(crate) async fn end(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, PushRunId)>,
) -> Result<(StatusCode, Json<PushRunResponse>), ApiError> {
    let mut collection = lock_collection(state.db.begin().await?, collection_id).await?;
    // Waits for pushes that are naming their documents.
    let is_open = collection.tx().push_runs().lock_open(id).await?;
    let run = find(collection.tx().push_runs(), collection_id, id).await?;
    if !is_open {
        return match run.status {
            PushRunStatus::Ended => Ok((StatusCode::ACCEPTED, Json(run.into()))),
            status => Err(ApiError::new(
                ErrorKind::Conflict,
                format!("the run {id} is {status}, without effect; begin another one"),
            )),
        };
    }
    let source = collection.tx().collection_sources().find(run.source_id).await?;
    let config = source.map(|source| source.source_config).unwrap_or_default();
    let on_missing = config.get(OnMissing::FIELD).and_then(|word| word.as_str()?.parse().ok());
    let on_missing = on_missing.unwrap_or(OnMissing::Remove);
    let (removed, stale) = collection.tx().push_runs().handle_gone(&run, on_missing).await?;
    let gone = Gone { removed: i64::try_from(removed.len()).unwrap_or(i64::MAX), stale };
    let details = json!({
        "run_id": id, "source_id": run.source_id, "source_path": run.source_path, "named": run.named,
        "removed": gone.removed, "stale": gone.stale,
    });
    let initiator = Initiator::Caller { actor: caller.actor(), client: &client };
    let ended: PushRun;
    if removed.is_empty() {
        let mut tx = collection.into_tx();
        tx.push_runs().end(id, gone, None).await?;
        ended = find(tx.push_runs(), collection_id, id).await?;
        let change = Change {
            action: "push_run_ended",
            actor: caller.actor(),
            collection: Some((collection_id, &found.collection.name)),
            operation_id: None,
            details,
        };
        audit::record(&mut tx, &client, change).await?;
        tx.commit().await?;
    } else {
        let (mut queued, operation_id) = start_removal(collection, initiator).await?;
        queued.tx().operation_items().insert_removals(operation_id, &removed).await?;
        queued.tx().push_runs().end(id, gone, Some(operation_id)).await?;
        ended = find(queued.tx().push_runs(), collection_id, id).await?;
        let audited = queued.audit("push_run_ended", &details).await?;
        audited.commit_with(&state.db, &state.queues, |tx| tx.commit()).await?;
    }
    Ok((StatusCode::ACCEPTED, Json(ended.into())))
}
