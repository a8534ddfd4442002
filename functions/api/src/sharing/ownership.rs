//! Transferring a collection to another user.

use access::{Caller, Granted};
use axum::Json;
use axum::extract::State as Shared;
use db::collections::{Collections, Grantee};
use domain::{CollectionId, ErrorKind, Permission, UserId};
use lambda::http::{ApiError, ApiJson, ClientInfo};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::grantee;
use crate::State;
use crate::audit::{self, Change};
use crate::locks::lock_collection;
use crate::quotas::enforce;

/// The new owner of a collection.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct TransferOwnershipRequest {
    /// Username of an active account.
    #[schema(example = "grace")]
    username: String,
}

/// The owner of a collection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnerResponse {
    /// The collection.
    #[schema(value_type = Uuid)]
    collection_id: CollectionId,
    /// The owner.
    #[schema(value_type = i64)]
    owner_id: UserId,
    /// The owner's username.
    username: String,
}

/// Transfer a collection to another user
///
/// Requires a user session of the owner. Takes effect at once and counts against the new owner's quotas.
/// The caller keeps `admin` access, which the new owner can revoke.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/owner", tag = "sharing",
    params(("collection_id" = Uuid, Path)), request_body = TransferOwnershipRequest,
    responses((status = 200, body = OwnerResponse)),
)]
pub(crate) async fn transfer(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
    ApiJson(request): ApiJson<TransferOwnershipRequest>,
) -> Result<Json<OwnerResponse>, ApiError> {
    let id = found.collection.id;
    let old = caller.principal.user_id;
    let mut tx = state.db.begin().await?;
    if lock_collection(&mut tx, id).await? != old {
        return Err(ApiError::new(
            ErrorKind::Conflict,
            format!("collection {id} was transferred to another user at the same time; reload it"),
        ));
    }
    let new = grantee::find_active(&mut tx, "username", &request.username).await?;
    if new.id == old {
        return Err(ApiError::invalid_field(
            "username",
            "is your own account, and you own the collection already; choose another user",
        ));
    }
    match tx.collections().set_owner(id, new.id).await {
        Ok(()) => {}
        Err(error) if error.constraint() == Some(Collections::NAME_CONSTRAINT) => {
            return Err(ApiError::new(
                ErrorKind::Conflict,
                format!(
                    "{} already has a collection named {:?}; rename one of the two first",
                    new.username, found.collection.name
                ),
            ));
        }
        Err(error) => return Err(error.into()),
    }
    enforce::check_collections(&mut tx, new.id).await?;
    enforce::check_storage(&mut tx, id, new.id).await?;
    // Owners need no permission, and an old one must not resurface after the next transfer.
    tx.collection_permissions().revoke(id, Grantee::User(new.id)).await?;
    tx.collection_permissions().grant(id, Grantee::User(old), Permission::Admin).await?;
    let change = Change {
        action: "collection_handed_over",
        actor: caller.actor(),
        collection: Some((id, &found.collection.name)),
        operation_id: None,
        details: json!({ "before": caller.principal.username, "after": new.username }),
    };
    audit::record(&mut tx, &client, change).await?;
    tx.commit().await?;
    Ok(Json(OwnerResponse { collection_id: id, owner_id: new.id, username: new.username }))
}
