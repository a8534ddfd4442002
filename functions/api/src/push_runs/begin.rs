//! Begins a push run.

use access::{Begun, Caller, Granted, Idempotency};
use axum::extract::State as Shared;
use axum::response::Response;
use dispatch::lock_collection;
use domain::{ErrorKind, PushRunId};
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ClientInfo, FieldErrors};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::response::{PushRunResponse, find};
use crate::State;
use crate::audit::{self, Change};
use crate::documents::pushed;

/// A run to begin.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({ "source": "crm" }))]
pub(crate) struct BeginPushRunRequest {
    /// Name of the source, 1 to 64 characters; created on first use.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,64}$", default = "push")]
    source: Option<String>,
    /// Whether to replace an open run of the source. What that one has named does not count any more.
    #[serde(default)]
    #[schema(default = false)]
    replace: bool,
}

/// Begin a push run
///
/// Name every document that the source has: push those that are new or changed, and name the others with
/// `POST …/push-runs/{push_run_id}/seen`. Then end the run: what it has not named is gone. A source has one open run at a
/// time. A client that was interrupted goes on with the run, of which everything that was named counts. A run that is not
/// ended within seven days has no effect.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/push-runs", operation_id = "beginPushRun", tag = "push-runs",
    params(("collection_id" = Uuid, Path)), request_body = BeginPushRunRequest,
    responses((status = 201, body = PushRunResponse)),
)]
pub(crate) async fn begin(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
    idempotency: Idempotency,
    ApiJson(request): ApiJson<BeginPushRunRequest>,
) -> Result<Response, ApiError> {
    let mut errors = FieldErrors::default();
    let source = pushed::check_source(&mut errors, request.source.as_deref());
    errors.finish()?;
    let collection_id = found.collection.id;
    let tx = match idempotency.begin(&state.db, caller.principal.user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    let tx = pushed::with_source(tx, collection_id, &source).await?;
    // Under the lock of the collection: of two requests, the second finds the run of the first.
    let mut tx = lock_collection(tx, collection_id).await?.lock_push_source(&source).await?;
    let (source_id, source_path) = (tx.source().id, tx.source().source_path.clone());
    let replaced = if request.replace { tx.tx().push_runs().replace(source_id).await? } else { None };
    if let Some(open) = tx.tx().push_runs().hold_open(collection_id, &source).await? {
        return Err(ApiError::new(
            ErrorKind::Conflict,
            format!(
                "the source {:?} has the open run {open}; go on with it, end it, or begin another one with \
                 \"replace\": true",
                source.as_str()
            ),
        ));
    }
    let mut tx = tx.into_tx();
    let id = PushRunId(Uuid::new_v4());
    tx.push_runs().insert(id, collection_id, source_id, caller.principal.user_id).await?;
    let change = Change {
        action: "push_run_begun",
        actor: caller.actor(),
        collection: Some((collection_id, &found.collection.name)),
        operation_id: None,
        details: json!({ "run_id": id, "source_id": source_id, "source_path": source_path, "replaces": replaced }),
    };
    audit::record(&mut tx, &client, change).await?;
    let run = find(tx.push_runs(), collection_id, id).await?;
    tx.commit(StatusCode::CREATED, &PushRunResponse::from(run)).await
}
