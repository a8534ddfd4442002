//! Adding a source: a place that a collection's documents come from without a client sending them.

use access::{Begun, Caller, Granted, Idempotency};
use axum::extract::State as Shared;
use axum::response::Response;
use db::operations::NewOperation;
use db::sources::NewSource;
use domain::{OperationId, OperationType};
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ClientInfo, Problem};
use serde_json::json;
use uuid::Uuid;

use super::request::{AddSourceRequest, refuse_forbidden};
use crate::State;
use crate::audit::{self, Change};
use crate::dispatch::dispatch;
use crate::locks::lock_collection;
use crate::openapi::BodyErrors;
use crate::operations::response::OperationResponse;
use crate::quotas::enforce;

/// Add a source, or read one again
///
/// Starts the operation that indexes it. A source that the collection already has is read again,
/// with the settings of this call: what has not changed costs nothing.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/sources", tag = "sources",
    params(("collection_id" = Uuid, Path)), request_body = AddSourceRequest,
    responses(
        (status = 202, body = OperationResponse),
        BodyErrors,
        (status = 400, body = Problem, content_type = "application/problem+json", description = "The body is no JSON, or this installation keeps no secrets."),
    ),
)]
pub(crate) async fn add(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
    idempotency: Idempotency,
    ApiJson(mut request): ApiJson<AddSourceRequest>,
) -> Result<Response, ApiError> {
    let user_id = caller.principal.user_id;
    let collection_id = found.collection.id;
    let secrets = request.secrets.take().unwrap_or_default();
    secrets.check()?;
    let spec = request.into_spec()?;
    refuse_forbidden(&state, &spec)?;

    let mut tx = match idempotency.begin(&state.db, user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    let source_path = spec.source_path();
    let source_config = spec.to_config();
    let new = NewSource {
        collection_id,
        source_path: &source_path,
        source_type: spec.source_type(),
        source_config: &source_config,
    };
    // The collection before its source, as whoever ends an operation takes them: else both wait in a circle.
    lock_collection(&mut tx, collection_id).await?;
    let (source, is_new) = tx.collection_sources().upsert(&new).await?;
    secrets.apply(&mut tx, &state.secrets, source.id).await?;
    let operation = NewOperation {
        id: OperationId(Uuid::new_v4()),
        collection_id,
        user_id,
        source_id: Some(source.id),
        operation_type: OperationType::Append,
        config: json!({
            "source_type": source.source_type, "source_path": source_path, "source_config": source_config,
        }),
    };
    let operation = tx.operations().insert(&operation).await?;
    if is_new {
        enforce::admit_source(&mut tx, collection_id).await?;
    }
    enforce::admit_operations(&mut tx, collection_id, 1).await?;
    let mut details =
        json!({ "source_id": source.id, "source_type": source.source_type, "source_path": source_path });
    secrets.note(&mut details);
    let change = Change {
        action: if is_new { "source_added" } else { "source_read_again" },
        actor: caller.actor(),
        collection: Some((collection_id, &found.collection.name)),
        operation_id: Some(operation.id),
        details,
    };
    audit::record(&mut tx, &client, change).await?;
    let operation_id = operation.id;
    let answer = tx.commit(StatusCode::ACCEPTED, &OperationResponse::fresh(operation)).await?;
    dispatch(&state, operation_id).await;
    Ok(answer)
}
