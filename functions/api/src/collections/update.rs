//! Updates a collection's name, description, visibility, metadata and schedule.

use access::{Caller, Granted};
use axum::extract::State as Shared;
use axum::response::Response;
use db::collections::CollectionDetails;
use domain::AccessLevel;
use lambda::http::{ApiError, ApiJson, ClientInfo, ETag, FieldErrors, IfMatch};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::fields;
use super::response::{CollectionResponse, answer, editable};
use crate::State;
use crate::audit::{self, Change};
use crate::nullable::nullable;
use crate::openapi::words;

/// Fields to change; absent fields keep their values. The model, quantization and chunk settings belong
/// to the index and are changed by a reindex.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({ "name": "handbooks", "sync_mode": "continuous", "sync_interval_minutes": 60 }))]
pub(crate) struct UpdateCollectionRequest {
    /// 1 to 255 characters without `/ \ * ? < > : " |`; unique among its owner's collections.
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    /// `null` removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, max_length = 4000)]
    description: Option<Option<String>>,
    /// Whether every signed-in user can read it. API keys cannot change it.
    is_public: Option<bool>,
    /// Arbitrary JSON object; replaces the existing one.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// `one_time`: sources are read when they are added; `continuous`: also on a schedule.
    #[schema(value_type = Option<words::SyncMode>)]
    sync_mode: Option<String>,
    /// Minutes between two runs. Kept while the mode is `one_time`; `null` removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<i32>, minimum = 15, maximum = 525_600)]
    sync_interval_minutes: Option<Option<i32>>,
}

/// Change a collection
///
/// Absent fields keep their values; `PATCH` does the same.
#[utoipa::path(
    put, path = "/api/v2/collections/{collection_id}", operation_id = "updateCollectionByPut", tag = "collections",
    params(("collection_id" = Uuid, Path)), request_body = UpdateCollectionRequest,
    responses((
            status = 200, body = CollectionResponse,
            headers(("ETag" = String, description = "Version of the fields that can be changed, for `If-Match`.")),
        )),
)]
pub(crate) async fn update(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
    if_match: IfMatch,
    ApiJson(request): ApiJson<UpdateCollectionRequest>,
) -> Result<Response, ApiError> {
    let id = found.collection.id;
    let mut tx = state.db.begin().await?;
    let Some(before) = tx.collections().lock_details(id).await? else {
        // Deleted after access was checked.
        return Err(ApiError::not_found("collection", id));
    };
    if_match.check(&ETag::of(&editable(&before))?)?;
    let after = request.apply_to(&before)?;
    if after.is_public != before.is_public {
        caller.require_user_session()?;
    }
    if after != before {
        let is_owner = found.access == AccessLevel::Owner;
        let done = tx.collections().update_details(id, &after).await;
        done.map_err(|error| fields::explain(error, &after.name, is_owner))?;
        let change = Change {
            action: "collection_updated",
            actor: caller.actor(),
            collection: Some((id, &after.name)),
            operation_id: None,
            details: audit::difference(&editable(&before), &editable(&after)),
        };
        audit::record(&mut tx, &client, change).await?;
    }
    let Some(found) = tx.collections().find_accessible(id, &caller.principal).await? else {
        return Err(ApiError::not_found("collection", id));
    };
    let error_counts = tx.collections().error_counts(&[id]).await?;
    if (&after.sync_mode, after.sync_interval_minutes) != (&before.sync_mode, before.sync_interval_minutes) {
        dispatch::arm_sweep(&state.queues).await;
    }
    tx.commit().await?;
    answer(found, &error_counts)
}

/// Change a collection (PATCH)
///
/// The same as `PUT`.
#[utoipa::path(
    patch, path = "/api/v2/collections/{collection_id}", operation_id = "updateCollection", tag = "collections",
    params(("collection_id" = Uuid, Path)), request_body = UpdateCollectionRequest,
    responses((
            status = 200, body = CollectionResponse,
            headers(("ETag" = String, description = "Version of the fields that can be changed, for `If-Match`.")),
        )),
)]
pub(crate) async fn patch(
    state: Shared<State>,
    caller: Caller,
    client: ClientInfo,
    granted: Granted,
    if_match: IfMatch,
    request: ApiJson<UpdateCollectionRequest>,
) -> Result<Response, ApiError> {
    update(state, caller, client, granted, if_match, request).await
}

impl UpdateCollectionRequest {
    fn apply_to(self, before: &CollectionDetails) -> Result<CollectionDetails, ApiError> {
        let mut errors = FieldErrors::default();
        let mut after = before.clone();
        if let Some(name) = self.name {
            after.name = fields::check_name(&mut errors, &name);
        }
        if let Some(description) = self.description {
            if let Some(description) = &description {
                fields::check_description(&mut errors, description);
            }
            after.description = description;
        }
        after.is_public = self.is_public.unwrap_or(after.is_public);
        if let Some(metadata) = self.metadata {
            fields::check_metadata(&mut errors, &metadata);
            after.meta = Value::Object(metadata);
        }
        if let Some(mode) = self.sync_mode {
            after.sync_mode = mode;
        }
        if let Some(minutes) = self.sync_interval_minutes {
            after.sync_interval_minutes = minutes;
        }
        fields::check_sync(&mut errors, &after.sync_mode, after.sync_interval_minutes);
        errors.finish()?;
        Ok(after)
    }
}
