//! Sources: where a collection's documents come from without a client sending them.

use std::path::PathBuf;

use axum::Json;
use axum::extract::State as Shared;
use axum::response::Response;
use chrono::{DateTime, Utc};
use connectors::{ConnectorError, ConnectorType, SourceSpec, refuse_staging_bucket};
use db::collection_sources::{CollectionSource, NewSource};
use db::operations::NewOperation;
use domain::{CollectionId, OperationId, OperationType, SourceId, SourceType};
use guard::{Begun, Caller, Granted, Idempotency};
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ApiPath, ApiQuery, ClientInfo, Problem};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::State;
use crate::audit::{self, Change};
use crate::dispatch::dispatch;
use crate::openapi::{BodyErrors, words};
use crate::operations::OperationResponse;
use crate::paging::Slice;

/// A source to read: `source_type` with `source_config`, or `source_path` alone.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"source_type": "s3", "source_config": {"bucket": "manuals", "prefix": "guides/"}}))]
pub(crate) struct AddSourceRequest {
    /// `file`, `directory` or `s3`.
    source_type: Option<String>,
    /// For `file`: `path`. For `directory`: `path`, `recursive`, `include_patterns`,
    /// `exclude_patterns`. For `s3`: `bucket`, `prefix` and the patterns.
    #[schema(value_type = Option<Object>)]
    source_config: Option<Map<String, Value>>,
    /// A folder, or `s3://bucket/prefix`.
    source_path: Option<String>,
    /// Further settings of the source, beside `source_path`.
    #[schema(value_type = Option<Object>)]
    config: Option<Map<String, Value>>,
}

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
}

impl From<CollectionSource> for SourceResponse {
    fn from(source: CollectionSource) -> Self {
        Self {
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
    responses((status = 202, body = OperationResponse), BodyErrors),
)]
pub(crate) async fn add(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
    idempotency: Idempotency,
    ApiJson(request): ApiJson<AddSourceRequest>,
) -> Result<Response, ApiError> {
    let user_id = caller.principal.user_id;
    let collection_id = found.collection.id;
    let spec = request.into_spec()?;
    refuse_staging_bucket(&spec, state.artifacts.bucket()).map_err(explain)?;
    refuse_outside_roots(&spec, &state.limits.directory_roots)?;

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
    let (source, is_new) = tx.collection_sources().upsert(&new).await?;
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
    let change = Change {
        action: if is_new { "source_added" } else { "source_read_again" },
        actor: caller.actor(),
        collection: Some((collection_id, &found.collection.name)),
        operation_id: Some(operation.id),
        details: json!({ "source_id": source.id, "source_type": source.source_type, "source_path": source_path }),
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
    responses((status = 200, body = SourceResponse)),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, SourceId)>,
) -> Result<Json<SourceResponse>, ApiError> {
    let mut connection = state.db.connection().await?;
    let source = connection.collection_sources().find(id).await?;
    let source = source.filter(|source| source.collection_id == collection_id);
    let source = source.ok_or_else(|| ApiError::not_found("source", id))?;
    Ok(Json(source.into()))
}

impl AddSourceRequest {
    fn into_spec(self) -> Result<SourceSpec, ApiError> {
        let (source_type, source_config) = match (self.source_type, self.source_path) {
            (Some(source_type), None) => (source_type, self.source_config.unwrap_or_default()),
            (None, Some(source_path)) => describe_path(source_path, self.config.unwrap_or_default()),
            // Both, where the path only repeats what the settings say.
            (Some(source_type), Some(source_path)) => {
                let mut config = self.source_config.unwrap_or_default();
                if config.is_empty() {
                    config = describe_path(source_path, config).1;
                }
                (source_type, config)
            }
            (None, None) => {
                return Err(ApiError::invalid_field(
                    "source_type",
                    format!("is missing; send one of {} with source_config", ConnectorType::names()),
                ));
            }
        };
        SourceSpec::parse(&source_type, &Value::Object(source_config)).map_err(explain)
    }
}

fn describe_path(source_path: String, mut config: Map<String, Value>) -> (String, Map<String, Value>) {
    if let Some(location) = source_path.strip_prefix("s3://") {
        let (bucket, prefix) = location.split_once('/').unwrap_or((location, ""));
        config.insert("bucket".to_owned(), bucket.into());
        config.insert("prefix".to_owned(), prefix.into());
        return ("s3".to_owned(), config);
    }
    config.insert("path".to_owned(), source_path.into());
    ("directory".to_owned(), config)
}

/// Early and by name only; scan looks at what the path really leads to.
fn refuse_outside_roots(spec: &SourceSpec, roots: &[PathBuf]) -> Result<(), ApiError> {
    let (SourceSpec::File { path } | SourceSpec::Directory { path, .. }) = spec else {
        return Ok(());
    };
    if roots.iter().any(|root| path.starts_with(root)) {
        return Ok(());
    }
    let allowed: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
    let message = if allowed.is_empty() {
        format!("{path:?} came; this installation reads no directories (its operator set no DIRECTORY_ROOTS)")
    } else {
        format!("{path:?} came; paths below {} are allowed", allowed.join(", "))
    };
    Err(ApiError::invalid_field("source_config.path", message))
}

fn explain(error: ConnectorError) -> ApiError {
    match error {
        ConnectorError::Invalid { field, message } => {
            let nested = !field.starts_with("source_");
            let field = if nested { format!("source_config.{field}") } else { field.to_owned() };
            ApiError::invalid_field(field, message)
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(request: Value) -> Result<SourceSpec, ApiError> {
        serde_json::from_value::<AddSourceRequest>(request).unwrap().into_spec()
    }

    #[test]
    fn the_old_form_means_a_folder_or_a_bucket() {
        let folder = spec(json!({"source_path": "/srv/docs", "config": {"recursive": false}})).unwrap();
        assert_eq!(folder, spec(json!({"source_type": "directory", "source_config": {"path": "/srv/docs", "recursive": false}})).unwrap());
        let bucket = spec(json!({"source_path": "s3://manuals/a/b"})).unwrap();
        assert_eq!(
            bucket,
            spec(json!({"source_type": "s3", "source_config": {"bucket": "manuals", "prefix": "a/b"}}))
                .unwrap()
        );
    }

    #[test]
    fn refusals_name_the_nested_field() {
        let refusals: Vec<String> = [
            json!({}),
            json!({"source_type": "gopher"}),
            json!({"source_type": "directory", "source_config": {"path": "docs"}}),
        ]
        .into_iter()
        .map(|request| spec(request).unwrap_err().detail().to_owned())
        .collect();
        insta::assert_snapshot!(refusals.join("\n"), @r#"
        source_type: is missing; send one of directory, file, s3 with source_config
        source_type: "gopher" is not known; allowed: directory, file, s3
        source_config.path: "docs" came; an absolute path without ".." below one of the configured roots is allowed
        "#);
    }

    #[test]
    fn paths_lie_below_a_root() {
        let inside = spec(json!({"source_path": "/srv/docs/a"})).unwrap();
        let roots = [PathBuf::from("/srv/docs")];
        assert!(refuse_outside_roots(&inside, &roots).is_ok());
        let beside = spec(json!({"source_path": "/srv/docs2"})).unwrap();
        assert!(refuse_outside_roots(&beside, &roots).unwrap_err().detail().contains("below /srv/docs"));
        assert!(refuse_outside_roots(&inside, &[]).unwrap_err().detail().contains("DIRECTORY_ROOTS"));
    }
}
