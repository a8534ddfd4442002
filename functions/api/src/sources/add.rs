//! Adds a source: a place that documents are read from.

use access::{Begun, Caller, Granted, Idempotency, IdempotentTx};
use axum::extract::State as Shared;
use axum::response::Response;
use db::sources::NewSource;
use dispatch::{Initiator, StartOperation, lock_collection};
use domain::OperationType;
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ClientInfo};
use serde_json::json;

use super::request::{AddSourceRequest, authorize, explain};
use crate::State;
use crate::operations::response::OperationResponse;

/// Add a source, or read one again
///
/// A folder or bucket needs a grant of the place that it reads, which superusers give
/// (`POST /api/v2/admin/source-grants`): now, and whenever it is read. Other types need the secrets of their connector.
/// Starts the operation that indexes it. A source that the collection already has is read again with
/// the settings of this request; unchanged documents are not indexed again.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/sources", operation_id = "addSource", tag = "sources",
    params(("collection_id" = Uuid, Path)), request_body = AddSourceRequest,
    responses((status = 202, body = OperationResponse)),
)]
pub(crate) async fn add(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
    idempotency: Idempotency,
    ApiJson(mut request): ApiJson<AddSourceRequest>,
) -> Result<Response, ApiError> {
    let secrets = request.secrets.take().unwrap_or_default();
    secrets.check()?;
    let spec = request.into_spec()?;
    let spec = authorize(&state, state.db.connection().await?.source_grants(), &caller, &spec).await?;

    let tx = match idempotency.begin(&state.db, caller.principal.user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    let source_path = spec.source_path();
    let source_config = spec.to_config();
    let new = NewSource {
        collection_id: found.collection.id,
        source_path: &source_path,
        source_type: spec.source_type(),
        source_config: &source_config,
    };
    let collection = lock_collection(tx, found.collection.id).await?;
    let (mut source, is_new) = collection.add_source(&new).await?;
    let (source_id, source_type) = (source.source().id, source.source().source_type.clone());
    let stored = source.source().secret_types.clone();
    spec.require_secrets(|secret_type| secrets.leaves_set(secret_type, &stored)).map_err(explain)?;
    source.tx().source_grants().set_grantee(source_id, caller.principal.user_id).await?;
    secrets.apply(source.tx(), &state.secrets, source_id).await?;
    let operation = StartOperation {
        operation_type: OperationType::Append,
        initiator: Initiator::Caller { actor: caller.actor(), client: &client },
        config: json!({
            "source_type": source_type, "source_path": source_path, "source_config": source_config,
        }),
    };
    let (queued, operation) = source.start(operation).await?;
    let mut details =
        json!({ "source_id": source_id, "source_type": source_type, "source_path": source_path });
    secrets.add_to_audit(&mut details);
    let action = if is_new { "source_added" } else { "source_read_again" };
    let audited = queued.audit(action, &details).await?;
    let response = OperationResponse::fresh(operation);
    audited
        .commit_with(&state.db, &state.queues, async |tx: IdempotentTx| {
            tx.commit(StatusCode::ACCEPTED, &response).await
        })
        .await
}
