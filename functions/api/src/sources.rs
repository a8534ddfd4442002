//! Sources: where a collection's documents come from without a client sending them.

pub(crate) mod removal;
mod request;
mod secrets;
pub(crate) mod update;

use access::{Begun, Caller, Granted, Idempotency};
use axum::Json;
use axum::extract::State as Shared;
use axum::response::Response;
use chrono::{DateTime, Utc};
use db::operations::NewOperation;
use db::sources::{CollectionSource, NewSource};
use domain::{CollectionId, OperationId, OperationType, SecretType, SourceId, SourceType};
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ApiPath, ApiQuery, ClientInfo, ETag, Problem};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use self::request::{AddSourceRequest, refuse_forbidden};
use crate::State;
use crate::admission;
use crate::audit::{self, Change};
use crate::dispatch::dispatch;
use crate::openapi::{BodyErrors, words};
use crate::operations::OperationResponse;
use crate::paging::Slice;
use crate::permissions;

/// A source.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceResponse {
    #[schema(value_type = i64)]
    id: SourceId,
    #[schema(value_type = Uuid)]
    collection_id: CollectionId,
    #[schema(schema_with = words::source_type)]
    source_type: SourceType,
    /// What identifies it within the collection.
    source_path: String,
    #[schema(value_type = Object)]
    source_config: Value,
    /// Live documents that came from it.
    document_count: i64,
    size_bytes: i64,
    last_run_started_at: Option<DateTime<Utc>>,
    last_run_completed_at: Option<DateTime<Utc>>,
    last_run_status: Option<String>,
    last_error: Option<String>,
    last_indexed_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// Whether a password is set. No answer shows a secret.
    has_password: bool,
    /// Whether an access token is set.
    has_token: bool,
    /// Whether a private SSH key is set.
    has_ssh_key: bool,
    /// Whether the private SSH key's passphrase is set.
    has_ssh_passphrase: bool,
}

impl From<CollectionSource> for SourceResponse {
    fn from(source: CollectionSource) -> Self {
        let has = |secret_type| source.secret_types.contains(&secret_type);
        Self {
            has_password: has(SecretType::Password),
            has_token: has(SecretType::Token),
            has_ssh_key: has(SecretType::SshKey),
            has_ssh_passphrase: has(SecretType::SshPassphrase),
            id: source.id,
            collection_id: source.collection_id,
            source_type: source.source_type,
            source_path: source.source_path,
            source_config: source.source_config,
            document_count: source.document_count,
            size_bytes: source.size_bytes,
            last_run_started_at: source.last_run_started_at,
            last_run_completed_at: source.last_run_completed_at,
            last_run_status: source.last_run_status,
            last_error: source.last_error,
            last_indexed_at: source.last_indexed_at,
            created_at: source.created_at,
            updated_at: source.updated_at,
        }
    }
}

/// Which sources to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListSourcesQuery {
    /// Sources to pass over.
    #[param(minimum = 0, maximum = 100_000_000, default = 0)]
    offset: Option<i64>,
    /// Sources to return.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<i64>,
}

/// Some of a collection's sources, in the order in which they were added.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourcesResponse {
    items: Vec<SourceResponse>,
    total: i64,
    offset: i64,
    limit: i64,
}

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
    permissions::lock(&mut tx, collection_id).await?;
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
        admission::admit_source(&mut tx, collection_id).await?;
    }
    admission::admit_operations(&mut tx, collection_id, 1).await?;
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

/// List a collection's sources
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/sources", tag = "sources",
    params(("collection_id" = Uuid, Path), ListSourcesQuery),
    responses(
        (status = 200, body = SourcesResponse),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "A parameter is wrong."),
    ),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    ApiPath(collection_id): ApiPath<CollectionId>,
    ApiQuery(query): ApiQuery<ListSourcesQuery>,
) -> Result<Json<SourcesResponse>, ApiError> {
    let mut connection = state.db.connection().await?;
    let slice = Slice::new(query.offset, query.limit)?;
    let page = connection.collection_sources().list(collection_id, slice.limit, slice.offset).await?;
    Ok(Json(SourcesResponse {
        items: page.items.into_iter().map(SourceResponse::from).collect(),
        total: page.total,
        offset: slice.offset,
        limit: slice.limit,
    }))
}

/// Show a source
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/sources/{source_id}", tag = "sources",
    params(("collection_id" = Uuid, Path), ("source_id" = i64, Path)),
    responses((
        status = 200, body = SourceResponse,
        headers(("ETag" = String, description = "The version of what PATCH can change.")),
    )),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, SourceId)>,
) -> Result<(ETag, Json<SourceResponse>), ApiError> {
    let mut connection = state.db.connection().await?;
    let source = connection.collection_sources().find(id).await?;
    let source = source.filter(|source| source.collection_id == collection_id);
    let source = source.ok_or_else(|| ApiError::not_found("source", id))?;
    Ok((version(&source)?, Json(source.into())))
}

/// The version of what can be changed: the settings, and which secrets there are.
fn version(source: &CollectionSource) -> Result<ETag, ApiError> {
    ETag::of(&(&source.source_config, &source.secret_types))
}
