//! Permissions: listing, granting and revoking them.

use access::{Begun, Caller, Granted, Idempotency};
use axum::Json;
use axum::extract::State as Shared;
use axum::response::Response;
use chrono::{DateTime, Utc};
use db::collections::{AccessibleCollection, CollectionPermission, Grantee};
use domain::{AccessLevel, ApiKeyId, CollectionId, ErrorKind, Permission, PermissionId, Principal, UserId};
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ApiPath, ClientInfo, FieldErrors, Page};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::grantee::{self, NamedGrantee};
use crate::State;
use crate::audit::{self, Change};
use crate::locks::lock_collection;
use crate::openapi::words;

/// A permission to grant, to exactly one of `username`, `email`, `user_id` and `api_key_id`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"username": "grace", "permission": "read"}))]
pub(crate) struct GrantRequest {
    /// The user to grant it to, by id: of a user who shares a collection with the caller; superusers can name
    /// any.
    user_id: Option<i64>,
    /// The user to grant it to, by username.
    username: Option<String>,
    /// The user to grant it to, by email address. Refused unless exactly one active account has it.
    email: Option<String>,
    /// The API key to grant it to, of any user. The key's user does not get access.
    #[schema(value_type = Option<Uuid>)]
    api_key_id: Option<ApiKeyId>,
    /// `read`: search, show documents and operations. `write`: also change documents and sources.
    /// `admin`: also share the collection and change its settings.
    #[schema(value_type = words::Permission)]
    permission: String,
}

/// The user or API key that a permission is granted to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum GranteeResponse {
    /// A user.
    User {
        /// Identifies the user.
        #[schema(value_type = i64)]
        user_id: UserId,
        /// The user's username.
        username: String,
    },
    /// An API key.
    ApiKey {
        /// Identifies the API key.
        #[schema(value_type = Uuid)]
        api_key_id: ApiKeyId,
        /// Name of the API key.
        name: String,
        /// Username of the key's user.
        username: String,
    },
}

/// A permission.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PermissionResponse {
    /// Identifies the permission within the collection.
    #[schema(value_type = i64)]
    id: PermissionId,
    /// The user or API key.
    grantee: GranteeResponse,
    /// The granted access level.
    #[schema(value_type = words::Permission)]
    permission: Permission,
    /// When the permission was first granted.
    created_at: DateTime<Utc>,
}

impl From<CollectionPermission> for PermissionResponse {
    fn from(found: CollectionPermission) -> Self {
        let grantee = match found.api_key {
            Some((api_key_id, name)) => {
                GranteeResponse::ApiKey { api_key_id, name, username: found.username }
            }
            None => GranteeResponse::User { user_id: found.user_id, username: found.username },
        };
        Self { id: found.id, grantee, permission: found.permission, created_at: found.created_at }
    }
}

/// A page of a collection's permissions, oldest first. The owner has none.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PermissionsResponse {
    /// The permissions of this page.
    permissions: Vec<PermissionResponse>,
    /// Number of permissions on all pages.
    total: i64,
    /// Page number, starting at 1.
    page: i64,
    /// Permissions per page.
    per_page: i64,
}

/// The caller's access to a collection, and its reasons.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnAccessResponse {
    /// The collection.
    #[schema(value_type = Uuid)]
    collection_id: CollectionId,
    /// The caller's access level, from ownership, permissions and `is_public`, limited by the scope of the
    /// API key.
    #[schema(value_type = words::AccessLevel)]
    access: AccessLevel,
    /// Whether every signed-in user can read the collection.
    is_public: bool,
    /// Permissions granted to the user, and to the API key that sent the request.
    permissions: Vec<PermissionResponse>,
}

/// List a collection's permissions
///
/// Requires `admin` access to the collection.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/permissions", operation_id = "listPermissions", tag = "sharing",
    params(("collection_id" = Uuid, Path), Page),
    responses((status = 200, body = PermissionsResponse)),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    Granted(found): Granted,
    paging: Page,
) -> Result<Json<PermissionsResponse>, ApiError> {
    let mut connection = state.db.connection().await?;
    let page = connection
        .collection_permissions()
        .list(found.collection.id, paging.per_page, paging.offset())
        .await?;
    Ok(Json(PermissionsResponse {
        permissions: page.items.into_iter().map(PermissionResponse::from).collect(),
        total: page.total,
        page: paging.page,
        per_page: paging.per_page,
    }))
}

/// Grant a permission, or change it
///
/// Requires a user session with `admin` access to the collection; only the owner can grant `admin` or change it. Replaces the
/// grantee's previous permission.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/permissions", operation_id = "grantPermission", tag = "sharing",
    params(("collection_id" = Uuid, Path)), request_body = GrantRequest,
    responses(
        (status = 201, body = PermissionResponse, description = "The permission was granted."),
        (status = 200, body = PermissionResponse, description = "The grantee's permission was changed."),
    ),
)]
pub(crate) async fn grant(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
    idempotency: Idempotency,
    ApiJson(request): ApiJson<GrantRequest>,
) -> Result<Response, ApiError> {
    let (named, permission) = request.check()?;
    let id = found.collection.id;
    let mut tx = match idempotency.begin(&state.db, caller.principal.user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    let owner_id = lock_collection(&mut tx, id).await?;
    let grantee = grantee::find(&mut tx, named, owner_id, &caller.principal).await?;
    let outcome = tx.collection_permissions().grant(id, grantee, permission).await?;
    require_owner_for_admin(&found, [Some(permission), outcome.before])?;
    let granted = tx.collection_permissions().find(id, outcome.id).await?;
    let granted = granted.ok_or_else(|| ApiError::not_found("permission", outcome.id))?;
    if outcome.before != Some(permission) {
        let action = if outcome.before.is_some() { "permission_changed" } else { "permission_granted" };
        let details = details(&granted, outcome.before, Some(permission));
        audit::record(&mut tx, &client, change(action, &caller, &found, details)).await?;
    }
    let status = if outcome.before.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    tx.commit(status, &PermissionResponse::from(granted)).await
}

/// Revoke a permission
///
/// Requires a user session with `admin` access to the collection; only the owner can revoke `admin` of others.
#[utoipa::path(
    delete, path = "/api/v2/collections/{collection_id}/permissions/{permission_id}", operation_id = "revokePermission", tag = "sharing",
    params(("collection_id" = Uuid, Path), ("permission_id" = i64, Path)),
    responses((status = 204, description = "The permission was revoked.")),
)]
pub(crate) async fn revoke(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
    ApiPath((id, permission_id)): ApiPath<(CollectionId, PermissionId)>,
) -> Result<StatusCode, ApiError> {
    let mut tx = state.db.begin().await?;
    lock_collection(&mut tx, id).await?;
    let granted = tx.collection_permissions().find(id, permission_id).await?;
    let granted = granted.ok_or_else(|| ApiError::not_found("permission", permission_id))?;
    if granted.grantee() != as_grantee(&caller.principal) {
        require_owner_for_admin(&found, [Some(granted.permission), None])?;
    }
    tx.collection_permissions().revoke(id, granted.grantee()).await?;
    let details = details(&granted, Some(granted.permission), None);
    audit::record(&mut tx, &client, change("permission_revoked", &caller, &found, details)).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show the caller's access to a collection
///
/// Requires `read` access to the collection.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/permissions/me", operation_id = "getOwnPermission", tag = "sharing",
    params(("collection_id" = Uuid, Path)),
    responses((status = 200, body = OwnAccessResponse)),
)]
pub(crate) async fn show_own(
    Shared(state): Shared<State>,
    caller: Caller,
    Granted(found): Granted,
) -> Result<Json<OwnAccessResponse>, ApiError> {
    let collection_id = found.collection.id;
    let mut connection = state.db.connection().await?;
    let own = connection.collection_permissions().list_of(collection_id, &caller.principal).await?;
    Ok(Json(OwnAccessResponse {
        collection_id,
        access: found.access,
        is_public: found.collection.is_public,
        permissions: own.into_iter().map(PermissionResponse::from).collect(),
    }))
}

/// Revoke the caller's own permission
///
/// Requires `read` access to the collection. Revokes the permission of the user, or that of the API key if
/// one sends the request. Succeeds without a permission, too.
#[utoipa::path(
    delete, path = "/api/v2/collections/{collection_id}/permissions/me", operation_id = "leaveCollection", tag = "sharing",
    params(("collection_id" = Uuid, Path)),
    responses((status = 204, description = "The caller has no permission for the collection.")),
)]
pub(crate) async fn leave(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
) -> Result<StatusCode, ApiError> {
    let id = found.collection.id;
    let mut tx = state.db.begin().await?;
    lock_collection(&mut tx, id).await?;
    let own = as_grantee(&caller.principal);
    let granted = tx.collection_permissions().list_of(id, &caller.principal).await?;
    if let Some(granted) = granted.into_iter().find(|granted| granted.grantee() == own) {
        tx.collection_permissions().revoke(id, own).await?;
        let details = details(&granted, Some(granted.permission), None);
        audit::record(&mut tx, &client, change("permission_given_up", &caller, &found, details)).await?;
        tx.commit().await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

impl GrantRequest {
    fn check(self) -> Result<(NamedGrantee, Permission), ApiError> {
        let mut errors = FieldErrors::default();
        let permission = errors.keyword::<Permission>("permission", &self.permission);
        let named = [
            self.user_id.map(|id| NamedGrantee::UserId(UserId(id))),
            self.username.map(NamedGrantee::Username),
            self.email.map(NamedGrantee::Email),
            self.api_key_id.map(NamedGrantee::ApiKey),
        ];
        let mut named = named.into_iter().flatten();
        let (first, more) = (named.next(), named.count());
        if first.is_none() || more > 0 {
            let count = usize::from(first.is_some()) + more;
            errors.add(
                "username",
                format!("exactly one of username, email, user_id and api_key_id is required, got {count}"),
            );
        }
        errors.finish()?;
        match (first, permission) {
            (Some(named), Some(permission)) => Ok((named, permission)),
            _ => Err(ApiError::new(ErrorKind::Invalid, "the request names no grantee or no permission")),
        }
    }
}

const fn as_grantee(principal: &Principal) -> Grantee {
    match principal.api_key_id {
        Some(id) => Grantee::ApiKey(id),
        None => Grantee::User(principal.user_id),
    }
}

fn require_owner_for_admin(
    found: &AccessibleCollection,
    touched: [Option<Permission>; 2],
) -> Result<(), ApiError> {
    if found.access >= AccessLevel::Owner || !touched.contains(&Some(Permission::Admin)) {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorKind::Forbidden,
        format!(
            "you have {} to collection {}; only its owner can grant, change or revoke admin permissions",
            found.access.phrase(),
            found.collection.id
        ),
    ))
}

fn change<'a>(
    action: &'static str,
    caller: &Caller,
    found: &'a AccessibleCollection,
    details: Value,
) -> Change<'a> {
    let collection = Some((found.collection.id, found.collection.name.as_str()));
    Change { action, actor: caller.actor(), collection, operation_id: None, details }
}

/// Returns the audit log details of a changed permission.
pub(crate) fn details(
    granted: &CollectionPermission,
    before: Option<Permission>,
    after: Option<Permission>,
) -> Value {
    let mut details = json!({
        "permission_id": granted.id, "username": granted.username, "before": before, "after": after,
    });
    if let Some((id, name)) = &granted.api_key {
        details["api_key_id"] = json!(id);
        details["api_key_name"] = json!(name);
    }
    details
}
