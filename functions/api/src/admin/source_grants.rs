//! Grants of places on the server's side: buckets and directories that sources may read.

use access::{Begun, Caller, Idempotency};
use axum::Json;
use axum::extract::State as Shared;
use axum::response::Response;
use chrono::{DateTime, Utc};
use connectors::{ConnectorError, SourceSpec};
use db::sources::{NewSourceGrant, SourceGrant};
use domain::{ErrorKind, ServerPlace, SourceGrantId};
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ApiPath, ClientInfo, FieldErrors, Page};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::State;
use crate::audit::{self, Change};

/// A place to grant: a `bucket` with an optional `prefix`, or a `directory`; to one user, or to `everyone`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"bucket": "manuals", "prefix": "guides/", "username": "grace"}))]
pub(crate) struct GrantSourceRequest {
    /// Name of a bucket. Buckets of this installation itself are refused.
    bucket: Option<String>,
    /// Only objects below this folder of the bucket; default all of them. Whole path segments count: `a/b` covers
    /// `a/b/c.pdf` and not `a/bc.pdf`.
    #[schema(max_length = 1023)]
    prefix: Option<String>,
    /// Absolute path of a directory or file, below one of the roots that the operator allows. Covers everything below
    /// it; links that lead out of all granted directories are not followed.
    directory: Option<String>,
    /// The user who may read it.
    username: Option<String>,
    /// `true`: every user may read it.
    everyone: Option<bool>,
}

/// A grant: who may read which place.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceGrantResponse {
    /// Identifies the grant.
    #[schema(value_type = Uuid)]
    id: SourceGrantId,
    /// The bucket; `null` for a directory.
    bucket: Option<String>,
    /// The folder within the bucket, empty for all of it; `null` for a directory.
    prefix: Option<String>,
    /// The directory; `null` for a bucket.
    directory: Option<String>,
    /// The user who may read it; `null` for everyone.
    username: Option<String>,
    /// Whether every user may read it.
    everyone: bool,
    /// The superuser who granted it; `null` for the operator, for an upgrade and after the account was deleted.
    granted_by: Option<String>,
    /// When it was granted.
    created_at: DateTime<Utc>,
}

impl From<SourceGrant> for SourceGrantResponse {
    fn from(grant: SourceGrant) -> Self {
        let (bucket, prefix, directory) = match grant.place {
            ServerPlace::Bucket { bucket, prefix } => (Some(bucket), Some(prefix), None),
            ServerPlace::Directory { path } => (None, None, Some(path)),
        };
        let everyone = grant.username.is_none();
        let SourceGrant { id, username, granted_by, created_at, .. } = grant;
        Self { id, bucket, prefix, directory, username, everyone, granted_by, created_at }
    }
}

/// A page of grants, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceGrantsResponse {
    /// The grants of this page.
    source_grants: Vec<SourceGrantResponse>,
    /// Number of grants on all pages.
    total: i64,
    /// Page number, starting at 1.
    page: i64,
    /// Grants per page.
    per_page: i64,
}

/// Grant a bucket or a directory
///
/// Requires a superuser. Without a grant, no source reads anything on the server's side, not even one of a
/// superuser.
#[utoipa::path(
    post, path = "/api/v2/admin/source-grants", operation_id = "createSourceGrant", tag = "administration", request_body = GrantSourceRequest,
    responses((status = 201, body = SourceGrantResponse)),
)]
pub(crate) async fn grant_source(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    idempotency: Idempotency,
    ApiJson(request): ApiJson<GrantSourceRequest>,
) -> Result<Response, ApiError> {
    let place = request.place(&state)?;
    let mut tx = match idempotency.begin(&state.db, caller.principal.user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    let user_id = match &request.username {
        None => None,
        Some(name) => Some(crate::sharing::find_active_user(&mut tx, "username", name).await?.id),
    };
    let granted_by = Some(caller.principal.user_id);
    let new = NewSourceGrant { place: &place, user_id, granted_by };
    let Some(id) = tx.source_grants().insert(&new).await? else {
        let to = request.username.as_deref().unwrap_or("everyone");
        return Err(ApiError::new(ErrorKind::Conflict, format!("{place} is already granted to {to}")));
    };
    let grant = tx.source_grants().find(id).await?.ok_or_else(|| ApiError::not_found("grant", id))?;
    let change = Change::of_accounts("source_granted", caller.actor(), details(&grant));
    audit::record(&mut tx, &client, change).await?;
    tx.commit(StatusCode::CREATED, &SourceGrantResponse::from(grant)).await
}

/// List the grants of buckets and directories
///
/// Requires a superuser.
#[utoipa::path(
    get, path = "/api/v2/admin/source-grants", operation_id = "listSourceGrants", tag = "administration", params(Page),
    responses((status = 200, body = SourceGrantsResponse)),
)]
pub(crate) async fn list_source_grants(
    Shared(state): Shared<State>,
    paging: Page,
) -> Result<Json<SourceGrantsResponse>, ApiError> {
    let mut connection = state.db.connection().await?;
    let page = connection.source_grants().list(paging.per_page, paging.offset()).await?;
    Ok(Json(SourceGrantsResponse {
        source_grants: page.items.into_iter().map(SourceGrantResponse::from).collect(),
        total: page.total,
        page: paging.page,
        per_page: paging.per_page,
    }))
}

/// Revoke a grant of a bucket or a directory
///
/// Requires a superuser. Sources that no other grant covers fail with the reason when they are read next. Documents
/// that were indexed stay; remove the source to delete them.
#[utoipa::path(
    delete, path = "/api/v2/admin/source-grants/{grant_id}", operation_id = "revokeSourceGrant", tag = "administration",
    params(("grant_id" = Uuid, Path)),
    responses((status = 204, description = "The grant was revoked.")),
)]
pub(crate) async fn revoke_source_grant(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiPath(id): ApiPath<SourceGrantId>,
) -> Result<StatusCode, ApiError> {
    let mut tx = state.db.begin().await?;
    let grant = tx.source_grants().find(id).await?.ok_or_else(|| ApiError::not_found("grant", id))?;
    if !tx.source_grants().delete(id).await? {
        return Err(ApiError::not_found("grant", id));
    }
    let change = Change::of_accounts("source_grant_revoked", caller.actor(), details(&grant));
    audit::record(&mut tx, &client, change).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

impl GrantSourceRequest {
    /// Validates the request and returns the place.
    fn place(&self, state: &State) -> Result<ServerPlace, ApiError> {
        let mut errors = FieldErrors::default();
        if self.username.is_some() == self.everyone.unwrap_or(false) {
            errors.add("username", "exactly one of username and \"everyone\": true is required");
        }
        let place = match (&self.bucket, &self.directory) {
            (Some(bucket), None) => {
                let folder = self.prefix.as_deref().unwrap_or_default();
                let checked =
                    parse(state, "s3", &json!({ "bucket": bucket, "prefix": folder }), &mut errors)?;
                checked.map(|_| ServerPlace::folder(bucket, folder))
            }
            (None, Some(directory)) => {
                if self.prefix.is_some() {
                    errors.add("prefix", "not allowed with directory; it belongs to a bucket");
                }
                parse(state, "directory", &json!({ "path": directory }), &mut errors)?
            }
            _ => {
                errors.add("bucket", "exactly one of bucket and directory is required");
                None
            }
        };
        errors.finish()?;
        place.ok_or_else(|| ApiError::new(ErrorKind::Invalid, "the request names no place"))
    }
}

/// Validates a place like the settings of a source that reads it.
fn parse(
    state: &State,
    source_type: &str,
    config: &Value,
    errors: &mut FieldErrors,
) -> Result<Option<ServerPlace>, ApiError> {
    let spec = SourceSpec::parse_new(source_type, config);
    let checked = spec.and_then(|spec| spec.authorize(&state.source_policy).map(|()| spec.place()));
    match checked {
        Ok(place) => Ok(place),
        Err(ConnectorError::Invalid { field, message }) => {
            errors.add(if field == "path" { "directory" } else { field }, message);
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn details(grant: &SourceGrant) -> Value {
    json!({ "grant_id": grant.id, "place": grant.place.to_string(), "username": grant.username })
}
