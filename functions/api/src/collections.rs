//! Collections: making, finding and deleting them.

use axum::Json;
use axum::extract::State as Shared;
use axum::response::Response;
use chrono::{DateTime, Utc};
use db::collections::{AccessibleCollection, Collection, Collections, NewCollection};
use db::operations::NewOperation;
use domain::{
    Access, CollectionId, CollectionStatus, ErrorKind, IndexSettings, OperationId, OperationType,
    Quantization, UserId, vector_store_name,
};
use guard::{Begun, Caller, Granted, Idempotency};
use http::{HeaderValue, StatusCode, header};
use lambda::http::{ApiError, ApiJson, ApiQuery, ClientInfo, Problem};
use models::ModelFolder;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::State;
use crate::audit::{self, Change};
use crate::dispatch::dispatch;
use crate::openapi::{BodyErrors, words};
use crate::paging::Paging;
use crate::validation::Checks;

/// Characters that file systems and URLs read as something else.
const FORBIDDEN_IN_NAMES: [char; 9] = ['/', '\\', '*', '?', '<', '>', ':', '"', '|'];
/// The ways to cut documents that exist today.
const CHUNKING_STRATEGIES: [&str; 1] = ["recursive"];
/// The ways to keep a collection up to date that exist today.
const SYNC_MODES: [&str; 1] = ["one_time"];

/// A new collection. Fields that this version does not know are passed over.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateCollectionRequest {
    /// 1 to 255 characters without `/ \ * ? < > : " |`; unique among the caller's collections.
    #[schema(min_length = 1, max_length = 255, example = "handbooks")]
    name: String,
    #[schema(max_length = 4000)]
    description: Option<String>,
    /// One of those that `GET /api/v2/system/info` lists.
    embedding_model: Option<String>,
    /// Precision of the stored vectors.
    #[schema(schema_with = words::quantization, default = "float16")]
    quantization: Option<String>,
    /// Tokens in a chunk, 16 up to what the model reads; the default is that or 1000, the smaller.
    #[schema(minimum = 16)]
    chunk_size: Option<i64>,
    /// Tokens that a chunk repeats of the one before it; the default is a fifth of `chunk_size`.
    #[schema(minimum = 0)]
    chunk_overlap: Option<i64>,
    /// Only `recursive` today: at headings, paragraphs, sentences, words, as large as fits.
    chunking_strategy: Option<String>,
    /// Settings of the strategy; `recursive` has none.
    #[schema(value_type = Option<Object>)]
    chunking_config: Option<Map<String, Value>>,
    /// Whether every signed-in user may read it.
    is_public: Option<bool>,
    /// Notes about it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// Only `one_time` today: a source is read when it is added.
    sync_mode: Option<String>,
}

/// A collection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CollectionResponse {
    #[schema(value_type = Uuid)]
    id: CollectionId,
    name: String,
    description: Option<String>,
    #[schema(value_type = i64)]
    owner_id: UserId,
    /// The collection in Qdrant.
    vector_store_name: String,
    embedding_model: String,
    #[schema(schema_with = words::quantization)]
    quantization: Quantization,
    chunk_size: u32,
    chunk_overlap: u32,
    chunking_strategy: String,
    #[schema(value_type = Object)]
    chunking_config: Value,
    is_public: bool,
    #[schema(value_type = Object)]
    metadata: Value,
    #[schema(schema_with = words::collection_status)]
    status: CollectionStatus,
    status_message: Option<String>,
    /// Live documents.
    document_count: i64,
    vector_count: i64,
    total_size_bytes: i64,
    /// Documents that failed.
    error_count: i64,
    sync_mode: String,
    sync_interval_minutes: Option<i32>,
    sync_paused_at: Option<DateTime<Utc>>,
    sync_next_run_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// What the caller may do with it.
    #[schema(schema_with = words::access)]
    access: Access,
    /// The operation that sets it up; only in the answer to its creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    initial_operation_id: Option<OperationId>,
}

impl CollectionResponse {
    fn new(collection: Collection, access: Access, error_count: i64) -> Self {
        let settings = collection.settings;
        Self {
            id: collection.id,
            name: collection.name,
            description: collection.description,
            owner_id: collection.owner_id,
            vector_store_name: collection.vector_store_name,
            embedding_model: settings.embedding_model,
            quantization: settings.quantization,
            chunk_size: settings.chunks.chunk_size,
            chunk_overlap: settings.chunks.chunk_overlap,
            chunking_strategy: collection.chunking_strategy,
            chunking_config: collection.chunking_config,
            is_public: collection.is_public,
            metadata: collection.meta,
            status: collection.status,
            status_message: collection.status_message,
            document_count: collection.document_count,
            vector_count: collection.vector_count,
            total_size_bytes: collection.total_size_bytes,
            error_count,
            sync_mode: collection.sync_mode,
            sync_interval_minutes: collection.sync_interval_minutes,
            sync_paused_at: collection.sync_paused_at,
            sync_next_run_at: collection.sync_next_run_at,
            created_at: collection.created_at,
            updated_at: collection.updated_at,
            access,
            initial_operation_id: None,
        }
    }
}

/// Which collections to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListCollectionsQuery {
    /// Which page, from 1.
    #[param(minimum = 1, maximum = 1_000_000, default = 1)]
    page: Option<i64>,
    /// Collections on a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    per_page: Option<i64>,
    /// Whether to list public collections of others too.
    #[param(default = true)]
    include_public: Option<bool>,
}

/// A page of collections, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CollectionsResponse {
    collections: Vec<CollectionResponse>,
    total: i64,
    page: i64,
    per_page: i64,
}

/// Create a collection
///
/// It takes uploads and sources at once; they are indexed as soon as `initial_operation_id` has
/// set it up.
#[utoipa::path(
    post, path = "/api/v2/collections", tag = "collections", request_body = CreateCollectionRequest,
    responses(
        (status = 201, body = CollectionResponse),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The caller has a collection of that name."),
        BodyErrors,
    ),
)]
pub(crate) async fn create(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    idempotency: Idempotency,
    ApiJson(request): ApiJson<CreateCollectionRequest>,
) -> Result<Response, ApiError> {
    let (settings, model) = check(&state, &request)?;
    let id = CollectionId(Uuid::new_v4());
    let owner_id = caller.principal.user_id;
    let vector_store_name = vector_store_name(id, &model.manifest.short_name, settings.quantization);
    let new = NewCollection {
        id,
        name: request.name.trim(),
        description: request.description.as_deref(),
        owner_id,
        vector_store_name: &vector_store_name,
        settings: &settings,
        chunking_strategy: request.chunking_strategy.as_deref().unwrap_or(CHUNKING_STRATEGIES[0]),
        chunking_config: &Value::Object(request.chunking_config.unwrap_or_default()),
        is_public: request.is_public.unwrap_or(false),
        meta: &Value::Object(request.metadata.unwrap_or_default()),
        sync_mode: request.sync_mode.as_deref().unwrap_or(SYNC_MODES[0]),
        sync_interval_minutes: None,
    };
    let mut tx = match idempotency.begin(&state.db, owner_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    let collection = match tx.collections().insert(&new).await {
        Ok(collection) => collection,
        Err(error) if error.constraint() == Some(Collections::NAME_CONSTRAINT) => {
            return Err(ApiError::new(
                ErrorKind::Conflict,
                format!("you already have a collection named {:?}; choose another name", new.name),
            ));
        }
        Err(error) => return Err(error.into()),
    };
    let operation = NewOperation {
        id: OperationId(Uuid::new_v4()),
        collection_id: id,
        user_id: owner_id,
        source_id: None,
        operation_type: OperationType::Index,
        config: json!({
            "embedding_model": settings.embedding_model,
            "quantization": settings.quantization,
            "chunk_size": settings.chunks.chunk_size,
            "chunk_overlap": settings.chunks.chunk_overlap,
        }),
    };
    tx.operations().insert(&operation).await?;
    let change = Change {
        action: "collection_created",
        actor: caller.actor(),
        collection: Some((id, &collection.name)),
        operation_id: Some(operation.id),
        details: json!({ "is_public": collection.is_public, "settings": operation.config }),
    };
    audit::record(&mut tx, &client, change).await?;
    let mut response = CollectionResponse::new(collection, Access::Owner, 0);
    response.initial_operation_id = Some(operation.id);
    let answer = tx.commit(StatusCode::CREATED, &response).await?;
    dispatch(&state, operation.id).await;
    Ok(answer)
}

/// List collections that the caller can read
#[utoipa::path(
    get, path = "/api/v2/collections", tag = "collections", params(ListCollectionsQuery),
    responses(
        (status = 200, body = CollectionsResponse),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "A parameter is wrong."),
    ),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    caller: Caller,
    ApiQuery(query): ApiQuery<ListCollectionsQuery>,
) -> Result<Json<CollectionsResponse>, ApiError> {
    let paging = Paging::new(query.page, query.per_page)?;
    let include_public = query.include_public.unwrap_or(true);
    let mut connection = state.db.connection().await?;
    let page = connection
        .collections()
        .list_accessible(&caller.principal, include_public, paging.per_page, paging.offset())
        .await?;
    let ids: Vec<CollectionId> = page.items.iter().map(|found| found.collection.id).collect();
    let error_counts = connection.collections().error_counts(&ids).await?;
    let describe = |found: AccessibleCollection| {
        let error_count = error_counts.get(&found.collection.id).copied().unwrap_or(0);
        CollectionResponse::new(found.collection, found.access, error_count)
    };
    Ok(Json(CollectionsResponse {
        collections: page.items.into_iter().map(describe).collect(),
        total: page.total,
        page: paging.page,
        per_page: paging.per_page,
    }))
}

/// Show a collection
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}", tag = "collections",
    params(("collection_id" = Uuid, Path)),
    responses((status = 200, body = CollectionResponse)),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    Granted(found): Granted,
) -> Result<Json<CollectionResponse>, ApiError> {
    let id = found.collection.id;
    let mut connection = state.db.connection().await?;
    let error_counts = connection.collections().error_counts(&[id]).await?;
    let error_count = error_counts.get(&id).copied().unwrap_or(0);
    Ok(Json(CollectionResponse::new(found.collection, found.access, error_count)))
}

/// Delete a collection
///
/// It is gone for everybody at once; its vectors and files follow. `Location` leads to the
/// operation that removes them, which goes with the collection.
#[utoipa::path(
    delete, path = "/api/v2/collections/{collection_id}", tag = "collections",
    params(("collection_id" = Uuid, Path)),
    responses(
        (status = 204, description = "It is gone.", headers(("Location" = String, description = "The operation that tidies up."))),
    ),
)]
pub(crate) async fn delete(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
) -> Result<(StatusCode, [(header::HeaderName, HeaderValue); 1]), ApiError> {
    let id = found.collection.id;
    let mut tx = state.db.begin().await?;
    if !tx.collections().mark_deleted(id, Utc::now()).await? {
        // Somebody else was faster.
        return Err(ApiError::not_found("collection", id));
    }
    let operation = NewOperation {
        id: OperationId(Uuid::new_v4()),
        collection_id: id,
        user_id: caller.principal.user_id,
        source_id: None,
        operation_type: OperationType::Delete,
        config: json!({ "vector_store_name": found.collection.vector_store_name }),
    };
    tx.operations().insert(&operation).await?;
    let change = Change {
        action: "collection_deleted",
        actor: caller.actor(),
        collection: Some((id, &found.collection.name)),
        operation_id: Some(operation.id),
        details: json!({ "document_count": found.collection.document_count }),
    };
    audit::record(&mut tx, &client, change).await?;
    tx.commit().await?;
    dispatch(&state, operation.id).await;
    let location = HeaderValue::from_str(&format!("/api/v2/operations/{}", operation.id))
        .unwrap_or(HeaderValue::from_static("/api/v2/operations"));
    Ok((StatusCode::NO_CONTENT, [(header::LOCATION, location)]))
}

/// What the request's fields mean together, and the model they are about.
fn check<'s>(
    state: &'s State,
    request: &CreateCollectionRequest,
) -> Result<(IndexSettings, &'s ModelFolder), ApiError> {
    let mut checks = Checks::default();
    let name = request.name.trim();
    checks.length("name", name, 1..=255);
    if let Some(bad) =
        name.chars().find(|character| FORBIDDEN_IN_NAMES.contains(character) || character.is_control())
    {
        checks.refuse(
            "name",
            format!("must not have any of / \\ * ? < > : \" | or control characters, got {bad:?}"),
        );
    }
    if let Some(description) = &request.description {
        checks.length("description", description, 0..=4000);
        if description.contains('\0') {
            checks.refuse("description", "must not have NUL characters");
        }
    }
    let quantization = request.quantization.as_deref().unwrap_or(Quantization::Float16.as_str());
    let quantization = checks.word::<Quantization>("quantization", quantization);
    one_of(&mut checks, "chunking_strategy", request.chunking_strategy.as_deref(), &CHUNKING_STRATEGIES);
    one_of(&mut checks, "sync_mode", request.sync_mode.as_deref(), &SYNC_MODES);
    let chunk_size = natural(&mut checks, "chunk_size", request.chunk_size);
    let chunk_overlap = natural(&mut checks, "chunk_overlap", request.chunk_overlap);
    for (field, object) in [("metadata", &request.metadata), ("chunking_config", &request.chunking_config)] {
        if object.as_ref().is_some_and(has_nul) {
            checks.refuse(field, "must not have NUL characters");
        }
    }

    let model_name = request.embedding_model.as_deref().unwrap_or(&state.limits.default_embedding_model);
    let model = state.models.require(model_name);
    if let Err(unknown) = &model {
        checks.refuse("embedding_model", unknown.to_string());
    }
    let chunks = match &model {
        Ok(model) => match model.manifest.chunk_settings(chunk_size, chunk_overlap) {
            Ok(chunks) => Some(chunks),
            Err(error) => {
                checks.refuse(error.field(), error.to_string());
                None
            }
        },
        Err(_) => None,
    };
    checks.finish()?;
    match (quantization, chunks, model) {
        (Some(quantization), Some(chunks), Ok(model)) => {
            let settings = IndexSettings { embedding_model: model_name.to_owned(), quantization, chunks };
            Ok((settings, model))
        }
        _ => Err(ApiError::new(ErrorKind::Invalid, "the collection's settings cannot be used")),
    }
}

fn one_of(checks: &mut Checks, field: &str, got: Option<&str>, offered: &[&str]) {
    if let Some(got) = got.filter(|got| !offered.contains(got)) {
        checks.refuse(field, format!("must be {}, got {got:?}", offered.join(" or ")));
    }
}

fn natural(checks: &mut Checks, field: &str, got: Option<i64>) -> Option<u32> {
    let got = got?;
    let number = u32::try_from(got).ok();
    if number.is_none() {
        checks.refuse(field, format!("must be 0 to {}, got {got}", u32::MAX));
    }
    number
}

/// PostgreSQL stores every text but this one.
fn has_nul(object: &Map<String, Value>) -> bool {
    fn value_has_nul(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(items) => items.iter().any(value_has_nul),
            Value::Object(object) => has_nul(object),
            _ => false,
        }
    }
    object.iter().any(|(key, value)| key.contains('\0') || value_has_nul(value))
}
