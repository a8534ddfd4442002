//! Tries a source without adding it.

use std::time::{Duration, Instant};

use access::{Caller, Granted};
use auth::SecretSlot;
use axum::Json;
use axum::extract::State as Shared;
use connectors::{Entry, Secrets, SourceSpec};
use db::sources::CollectionSource;
use domain::{Classify, CollectionId, SourceId};
use lambda::http::{ApiError, ApiJson, ClientInfo};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::request::{AddSourceRequest, authorize, explain};
use super::secrets::{self, SecretsRequest};
use crate::State;
use crate::audit::{self, Change};
use crate::openapi::words;

/// Documents that are shown.
const LIMIT: usize = 10;

/// When a try gives up, well before API Gateway does.
const TIME: Duration = Duration::from_secs(15);

/// A source to try: the settings of a new one, or one that the collection has.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"source_type": "url", "source_config": {"urls": ["https://docs.example.org/"]}}))]
pub(crate) struct TestSourceRequest {
    /// A source of the collection: its stored secrets are used, unless the request has others, and its settings, unless
    /// the request names a type.
    source_id: Option<i64>,
    /// A connector, see `GET /api/v2/connectors`.
    #[schema(value_type = Option<words::ConnectorType>)]
    source_type: Option<String>,
    /// The connector's settings.
    #[schema(value_type = Option<Object>)]
    source_config: Option<Map<String, Value>>,
    /// Used for this try only.
    #[schema(schema_with = secrets::schema)]
    secrets: Option<SecretsRequest>,
}

/// What a run of the source would find.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestSourceResponse {
    /// Whether the source answered and can be listed.
    ok: bool,
    /// Why it, or the first of its pages that fails, cannot be read, and what to do; `null` if all can.
    error: Option<String>,
    /// Whether a later try may succeed: the source is temporarily unavailable, or limits the rate of requests.
    is_temporary: bool,
    /// Its first documents, at most ten.
    documents: Vec<ListedDocumentResponse>,
    /// Whether it has no more documents.
    is_complete: bool,
}

/// A document that the source lists.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListedDocumentResponse {
    /// Identifies it.
    uri: String,
    /// The name without folders.
    file_name: String,
    /// The path within the source.
    file_path: String,
    /// In bytes; `null` if the source does not tell before the document is read.
    size_bytes: Option<u64>,
    /// The media type, if it is known.
    mime_type: Option<String>,
    /// Where people find it, if the source knows.
    url: Option<String>,
}

/// Try a source
///
/// Reaches the source, signs in and lists its first ten documents, like a run would. Stores nothing. A source that cannot
/// be read is no error of this request: `ok` is false, and `error` says why.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/sources/test", operation_id = "testSource", tag = "sources",
    params(("collection_id" = Uuid, Path)), request_body = TestSourceRequest,
    responses((status = 200, body = TestSourceResponse)),
)]
pub(crate) async fn test(
    Shared(state): Shared<State>,
    caller: Caller,
    Granted(found): Granted,
    client: ClientInfo,
    ApiJson(request): ApiJson<TestSourceRequest>,
) -> Result<Json<TestSourceResponse>, ApiError> {
    let TestSourceRequest { source_id, source_type, source_config, secrets } = request;
    let given = secrets.unwrap_or_default();
    given.check()?;
    let stored = match source_id {
        Some(id) => Some(find(&state, found.collection.id, SourceId(id)).await?),
        None => None,
    };
    let spec = match &stored {
        Some(stored) if source_type.is_none() => {
            SourceSpec::parse(stored.source_type.as_str(), &stored.source_config).map_err(explain)?
        }
        _ => AddSourceRequest::of_type(source_type, source_config).into_spec()?,
    };
    let spec = authorize(&state, state.db.connection().await?.source_grants(), &caller, &spec).await?;
    let spec = spec.with_secrets(collect_secrets(&state, stored.as_ref(), given).await?);
    let details = json!({ "source_type": spec.source_type(), "source_path": spec.source_path() });
    let mut tx = state.db.begin().await?;
    let change = Change {
        action: "source_tried",
        actor: caller.actor(),
        collection: Some((found.collection.id, &found.collection.name)),
        operation_id: None,
        details,
    };
    audit::record(&mut tx, &client, change).await?;
    tx.commit().await?;
    let sampled = state.connectors.sample(&spec, LIMIT, Instant::now() + TIME).await;
    Ok(Json(match sampled {
        Ok(sample) => TestSourceResponse {
            // Some pages of a website may fail, but not all of them.
            ok: sample.failures.is_empty() || !sample.entries.is_empty(),
            error: sample.failures.first().map(|failure| format!("{}: {}", failure.url, failure.reason)),
            is_temporary: sample.failures.iter().any(|failure| failure.is_temporary),
            documents: sample.entries.into_iter().map(ListedDocumentResponse::from).collect(),
            is_complete: sample.is_complete,
        },
        Err(error) => TestSourceResponse {
            ok: false,
            is_temporary: error.kind().is_retryable(),
            error: Some(error.to_string()),
            documents: Vec::new(),
            is_complete: false,
        },
    }))
}

async fn find(
    state: &State,
    collection_id: CollectionId,
    id: SourceId,
) -> Result<CollectionSource, ApiError> {
    let source = state.db.connection().await?.collection_sources().find(id).await?;
    let source = source.filter(|source| source.collection_id == collection_id);
    source.ok_or_else(|| ApiError::not_found("source", id))
}

/// The secrets of the request, and the stored ones that it does not replace.
async fn collect_secrets(
    state: &State,
    stored: Option<&CollectionSource>,
    given: SecretsRequest,
) -> Result<Secrets, ApiError> {
    let mut secrets: Vec<(domain::SecretType, SecretString)> = Vec::new();
    if let Some(source) = stored {
        for sealed in state.db.connection().await?.connector_secrets().list(source.id).await? {
            let secret_type = sealed.secret_type;
            let slot = SecretSlot { source_id: source.id, secret_type };
            if !given.names(secret_type) {
                let plaintext = state.secrets.decrypt(slot, &sealed.key_id, &sealed.ciphertext).await?;
                secrets.push((secret_type, plaintext));
            }
        }
    }
    secrets.extend(given.into_set());
    Ok(Secrets::from_iter(secrets))
}

impl From<Entry> for ListedDocumentResponse {
    fn from(entry: Entry) -> Self {
        Self {
            uri: entry.uri,
            file_name: entry.file_name,
            file_path: entry.file_path,
            size_bytes: (entry.size_bytes > 0).then_some(entry.size_bytes),
            mime_type: entry.mime_type,
            url: entry.url,
        }
    }
}
