//! Updates the settings and secrets of a source.

use access::{Caller, Granted};
use axum::Json;
use axum::extract::State as Shared;
use connectors::SourceSpec;
use db::Tx;
use db::sources::{CollectionSource, CollectionSources};
use dispatch::lock_collection;
use domain::{CollectionId, ErrorKind, SourceId, SourceType};
use lambda::http::{ApiError, ApiJson, ApiPath, ClientInfo, ETag, IfMatch};
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
    /// All settings of the source; they replace the existing ones. See `GET /api/v2/connectors`.
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
    patch, path = "/api/v2/collections/{collection_id}/sources/{source_id}", tag = "sources",
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

    let spec = match request.source_config {
        Some(config) => {
            let spec = parse_settings(&source, config)?;
            authorize(&state, tx.source_grants(), &caller, &spec).await?;
            Some(spec)
        }
        None => None,
    };
    let spec = spec.filter(|spec| spec.to_config() != source.source_config);
    if spec.is_none() && secrets.is_empty() {
        return Ok((version(&source)?, Json(source.into())));
    }
    let mut details = json!({ "source_id": id, "source_path": source.source_path });
    change_settings(&mut tx, &source, spec.as_ref(), &mut details).await?;
    if spec.is_some() {
        tx.source_grants().set_grantee(id, caller.principal.user_id).await?;
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

fn parse_settings(source: &CollectionSource, config: Map<String, Value>) -> Result<SourceSpec, ApiError> {
    if source.source_type == SourceType::UPLOAD {
        return Err(ApiError::invalid_field(
            "source_config",
            "the source of uploads has no settings; change another source",
        ));
    }
    SourceSpec::parse_new(source.source_type.as_str(), &Value::Object(config)).map_err(explain)
}

/// Stores the settings. If only secrets change, only the modification time is updated.
async fn change_settings(
    tx: &mut Tx,
    source: &CollectionSource,
    spec: Option<&SourceSpec>,
    details: &mut Value,
) -> Result<(), ApiError> {
    let Some(spec) = spec else {
        let (path, config) = (&source.source_path, &source.source_config);
        return Ok(tx.collection_sources().update(source.id, path, config).await?);
    };
    let (path, config) = (spec.source_path(), spec.to_config());
    if path != source.source_path {
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
    match tx.collection_sources().update(source.id, &path, &config).await {
        Ok(()) => Ok(()),
        Err(error) if error.constraint() == Some(CollectionSources::PATH_CONSTRAINT) => Err(ApiError::new(
            ErrorKind::Conflict,
            format!("the collection already has a source {path:?}; update that one, or choose another path"),
        )),
        Err(error) => Err(error.into()),
    }
}
