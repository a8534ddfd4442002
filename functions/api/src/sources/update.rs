//! Updates the settings and secrets of a source.

use access::{Caller, Granted};
use axum::Json;
use axum::extract::State as Shared;
use connectors::SourceSpec;
use db::Tx;
use db::sources::{CollectionSource, CollectionSources};
use dispatch::lock_collection;
use domain::{CollectionId, ErrorKind, OnMissing, SourceId};
use lambda::http::{ApiError, ApiJson, ApiPath, ClientInfo, ETag, FieldErrors, IfMatch};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::request::{authorize, explain};
use super::response::{SourceResponse, version};
use super::secrets::{self, SecretsRequest};
use crate::State;
use crate::audit::{self, Change};

/// Fields to change; absent fields keep their values.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"secrets": {"token": "ghp_0123456789", "password": ""}}))]
pub(crate) struct UpdateSourceRequest {
    /// All settings of the source; they replace the existing ones. See `GET /api/v2/connectors`. Uploads and
    /// pushes have only `on_missing`.
    #[schema(value_type = Option<Object>)]
    source_config: Option<Map<String, Value>>,
    /// Secrets to set or to remove.
    #[schema(schema_with = secrets::schema)]
    secrets: Option<SecretsRequest>,
}

/// Change a source's settings or secrets
///
/// Starts no operation: the next run uses the new settings. The path, or the bucket and prefix, can
/// change too, unless another source of the collection has them. New settings need a grant of the caller, by which
/// the source is read from then on.
#[utoipa::path(
    patch, path = "/api/v2/collections/{collection_id}/sources/{source_id}", operation_id = "updateSource", tag = "sources",
    params(
        ("collection_id" = Uuid, Path), ("source_id" = i64, Path),
    ),
    request_body = UpdateSourceRequest,
    responses((
            status = 200, body = SourceResponse,
            headers(("ETag" = String, description = "Version of the fields that PATCH can change.")),
        )),
)]
pub(crate) async fn update(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, SourceId)>,
    if_match: IfMatch,
    ApiJson(request): ApiJson<UpdateSourceRequest>,
) -> Result<(ETag, Json<SourceResponse>), ApiError> {
    let secrets = request.secrets.unwrap_or_default();
    secrets.check()?;
    let collection = lock_collection(state.db.begin().await?, collection_id).await?;
    let locked = collection.lock_source(id).await?;
    let source = locked.source().clone();
    let mut tx = locked.into_tx();
    if_match.check(&version(&source)?)?;

    let is_received = source.source_type.is_received();
    let settings = match request.source_config {
        Some(config) if is_received => Some(read_received_settings(&source, config)?),
        Some(config) => {
            let config = Value::Object(config);
            let spec = SourceSpec::parse_new(source.source_type.as_str(), &config).map_err(explain)?;
            let spec = authorize(&state, tx.source_grants(), &caller, &spec).await?;
            Some(Settings { path: spec.source_path(), config: spec.to_config() })
        }
        None => None,
    };
    let settings = settings.filter(|settings| settings.config != source.source_config);
    if settings.is_none() && secrets.is_empty() {
        return Ok((version(&source)?, Json(source.into())));
    }
    let mut details = json!({ "source_id": id, "source_path": source.source_path });
    change_settings(&mut tx, &source, settings.as_ref(), &mut details).await?;
    if settings.is_some() && !is_received {
        tx.source_grants().set_grantee(id, caller.principal.user_id).await?;
    }
    if let Some(spec) = stored_spec(&source, settings.as_ref())? {
        let is_set = |secret_type| secrets.leaves_set(secret_type, &source.secret_types);
        spec.require_secrets(is_set).map_err(explain)?;
    }
    secrets.apply(&mut tx, &state.secrets, id).await?;
    secrets.add_to_audit(&mut details);
    let change = Change {
        action: "source_updated",
        actor: caller.actor(),
        collection: Some((collection_id, &found.collection.name)),
        operation_id: None,
        details,
    };
    audit::record(&mut tx, &client, change).await?;
    let changed = tx.collection_sources().find(id).await?;
    let changed = changed.ok_or_else(|| ApiError::not_found("source", id))?;
    tx.commit().await?;
    Ok((version(&changed)?, Json(changed.into())))
}

/// The source as it will be; `None` for uploads and pushes, which no connector reads.
fn stored_spec(
    source: &CollectionSource,
    settings: Option<&Settings>,
) -> Result<Option<SourceSpec>, ApiError> {
    if source.source_type.is_received() {
        return Ok(None);
    }
    let config = settings.map_or(&source.source_config, |settings| &settings.config);
    SourceSpec::parse(source.source_type.as_str(), config).map(Some).map_err(explain)
}

/// New settings of a source.
struct Settings {
    path: String,
    config: Value,
}

/// Uploads and pushes have one setting: what happens to documents whose files are deleted from the bucket, or that a push
/// run has not named.
fn read_received_settings(
    source: &CollectionSource,
    config: Map<String, Value>,
) -> Result<Settings, ApiError> {
    let mut errors = FieldErrors::default();
    for (name, value) in &config {
        let field = format!("source_config.{name}");
        if name != OnMissing::FIELD {
            errors.add(field, format!("not a setting of sources of this type; {} allowed", OnMissing::FIELD));
        } else if value.as_str().is_none_or(|word| word.parse::<OnMissing>().is_err()) {
            let allowed: Vec<&str> = OnMissing::ALL.iter().map(|word| word.as_str()).collect();
            errors.add(field, format!("unknown value; {} allowed, got {value}", allowed.join(", ")));
        }
    }
    errors.finish()?;
    Ok(Settings { path: source.source_path.clone(), config: Value::Object(config) })
}

/// Stores the settings. If only secrets change, only the modification time is updated.
async fn change_settings(
    tx: &mut Tx,
    source: &CollectionSource,
    settings: Option<&Settings>,
    details: &mut Value,
) -> Result<(), ApiError> {
    let Some(Settings { path, config }) = settings else {
        let (path, config) = (&source.source_path, &source.source_config);
        return Ok(tx.collection_sources().update(source.id, path, config).await?);
    };
    if *path != source.source_path {
        // A listing that continued in another place would treat documents there as missing.
        if let Some(running) = tx.operations().running_of_source(source.id).await? {
            return Err(ApiError::new(
                ErrorKind::Conflict,
                format!(
                    "operation {running} is reading this source; wait until it has ended before you change the path"
                ),
            ));
        }
        details["source_path"] = json!({ "before": source.source_path, "after": path });
    }
    details["source_config"] = json!({ "before": source.source_config, "after": config });
    match tx.collection_sources().update(source.id, path, config).await {
        Ok(()) => Ok(()),
        Err(error) if error.constraint() == Some(CollectionSources::PATH_CONSTRAINT) => Err(ApiError::new(
            ErrorKind::Conflict,
            format!("the collection already has a source {path:?}; update that one, or choose another path"),
        )),
        Err(error) => Err(error.into()),
    }
}
