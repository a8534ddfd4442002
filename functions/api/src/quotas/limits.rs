//! Quotas and usage of collections and users.

use access::{Caller, Granted};
use axum::Json;
use axum::extract::State as Shared;
use db::accounts::{UserLimits, UserUsage};
use db::collections::{CollectionLimits, CollectionUsage};
use domain::{CollectionId, UserId};
use lambda::http::{ApiError, ETag, FieldErrors};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::State;

/// Largest accepted limit; sums of such limits do not overflow.
const MOST_BYTES: i64 = 1 << 60;
const MOST: i64 = 1_000_000_000;

/// Quotas of a collection.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "max_documents": 100_000, "max_storage_bytes": 53_687_091_200_i64,
    "max_operations_per_hour": 1000, "max_sources": 100,
}))]
pub(crate) struct CollectionLimitsBody {
    /// Documents that are indexed or being indexed.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    max_documents: i64,
    /// Bytes that the collection holds: the originals of all generations of its documents that are not erased yet,
    /// including deleted documents until they are purged.
    #[schema(minimum = 0, maximum = 1_152_921_504_606_846_976_i64)]
    max_storage_bytes: i64,
    /// Operations that may be started within an hour.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    max_operations_per_hour: i64,
    /// Sources besides uploads.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    max_sources: i64,
}

impl From<CollectionLimits> for CollectionLimitsBody {
    fn from(limits: CollectionLimits) -> Self {
        Self {
            max_documents: limits.max_documents,
            max_storage_bytes: limits.max_storage_bytes,
            max_operations_per_hour: limits.max_operations_per_hour.into(),
            max_sources: limits.max_sources.into(),
        }
    }
}

/// Usage of a collection's quotas.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CollectionUsageResponse {
    /// Documents that are indexed or being indexed.
    documents: i64,
    /// Bytes that the collection holds, as counted by `max_storage_bytes`.
    storage_bytes: i64,
    /// Operations requested within the last hour.
    operations_last_hour: i64,
    /// Number of sources.
    sources: i64,
}

impl From<CollectionUsage> for CollectionUsageResponse {
    fn from(usage: CollectionUsage) -> Self {
        Self {
            documents: usage.documents,
            storage_bytes: usage.storage_bytes,
            operations_last_hour: usage.operations_last_hour,
            sources: usage.sources,
        }
    }
}

/// A collection's quotas and usage.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CollectionLimitsResponse {
    /// The collection.
    #[schema(value_type = Uuid)]
    collection_id: CollectionId,
    /// The limits.
    limits: CollectionLimitsBody,
    /// The current usage.
    usage: CollectionUsageResponse,
}

/// Quotas of a user.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"max_collections": 100, "max_storage_bytes": 53_687_091_200_i64}))]
pub(crate) struct UserLimitsBody {
    /// Maximum number of collections.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    max_collections: i64,
    /// Bytes that all collections of the user hold.
    #[schema(minimum = 0, maximum = 1_152_921_504_606_846_976_i64)]
    max_storage_bytes: i64,
}

impl From<UserLimits> for UserLimitsBody {
    fn from(limits: UserLimits) -> Self {
        Self { max_collections: limits.max_collections.into(), max_storage_bytes: limits.max_storage_bytes }
    }
}

/// Usage of a user's quotas.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserUsageResponse {
    /// Number of collections.
    collections: i64,
    /// Bytes that all collections of the user hold.
    storage_bytes: i64,
}

impl From<UserUsage> for UserUsageResponse {
    fn from(usage: UserUsage) -> Self {
        Self { collections: usage.collections, storage_bytes: usage.storage_bytes }
    }
}

/// A user's limits and usage.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserLimitsResponse {
    /// The user.
    #[schema(value_type = i64)]
    user_id: UserId,
    /// The limits.
    limits: UserLimitsBody,
    /// The current usage.
    usage: UserUsageResponse,
}

/// Show a collection's limits and usage
///
/// Returns each quota with how much of it is used.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/limits", operation_id = "getCollectionLimits", tag = "limits",
    params(("collection_id" = Uuid, Path)),
    responses((status = 200, body = CollectionLimitsResponse, headers(("ETag" = String, description = "The limits' version.")))),
)]
pub(crate) async fn show_of_collection(
    Shared(state): Shared<State>,
    Granted(found): Granted,
) -> Result<(ETag, Json<CollectionLimitsResponse>), ApiError> {
    of_collection(&state, found.collection.id).await
}

/// Show the caller's own limits and usage
///
/// Returns each quota of the account with how much of it is used.
#[utoipa::path(
    get, path = "/api/v2/limits", operation_id = "getOwnLimits", tag = "limits",
    responses((status = 200, body = UserLimitsResponse, headers(("ETag" = String, description = "The limits' version.")))),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    caller: Caller,
) -> Result<(ETag, Json<UserLimitsResponse>), ApiError> {
    of_user(&state, caller.principal.user_id).await
}

pub(crate) async fn of_collection(
    state: &State,
    id: CollectionId,
) -> Result<(ETag, Json<CollectionLimitsResponse>), ApiError> {
    let mut connection = state.db.connection().await?;
    let limits = CollectionLimitsBody::from(connection.collection_resource_limits().find(id).await?);
    let usage = connection.collection_resource_limits().usage(id).await?.into();
    Ok((ETag::of(&limits)?, Json(CollectionLimitsResponse { collection_id: id, limits, usage })))
}

pub(crate) async fn of_user(state: &State, id: UserId) -> Result<(ETag, Json<UserLimitsResponse>), ApiError> {
    let mut connection = state.db.connection().await?;
    let limits = UserLimitsBody::from(connection.user_resource_limits().find(id).await?);
    let usage = connection.user_resource_limits().usage(id).await?.into();
    Ok((ETag::of(&limits)?, Json(UserLimitsResponse { user_id: id, limits, usage })))
}

impl CollectionLimitsBody {
    pub(crate) fn check(self) -> Result<CollectionLimits, ApiError> {
        let mut errors = FieldErrors::default();
        let max_documents = errors.range("max_documents", self.max_documents, 0..=MOST);
        let max_storage_bytes = errors.range("max_storage_bytes", self.max_storage_bytes, 0..=MOST_BYTES);
        let per_hour = errors.range("max_operations_per_hour", self.max_operations_per_hour, 0..=MOST);
        let max_sources = errors.range("max_sources", self.max_sources, 0..=MOST);
        errors.finish()?;
        Ok(CollectionLimits {
            max_documents,
            max_storage_bytes,
            max_operations_per_hour: i32::try_from(per_hour).unwrap_or(i32::MAX),
            max_sources: i32::try_from(max_sources).unwrap_or(i32::MAX),
        })
    }
}

impl UserLimitsBody {
    pub(crate) fn check(self) -> Result<UserLimits, ApiError> {
        let mut errors = FieldErrors::default();
        let max_collections = errors.range("max_collections", self.max_collections, 0..=MOST);
        let max_storage_bytes = errors.range("max_storage_bytes", self.max_storage_bytes, 0..=MOST_BYTES);
        errors.finish()?;
        let max_collections = i32::try_from(max_collections).unwrap_or(i32::MAX);
        Ok(UserLimits { max_collections, max_storage_bytes })
    }
}
