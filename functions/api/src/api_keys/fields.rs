//! What goes into and comes out of the routes of API keys.

use access::Caller;
use chrono::{DateTime, Utc};
use db::Tx;
use db::accounts::ApiKey;
use domain::{AccessLevel, ApiKeyId, CollectionId};
use lambda::http::{ApiError, ETag};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::openapi::words;
use crate::validation::{Checks, given};

pub(crate) const DEFAULT_DAYS: i64 = 365;
const MAX_DAYS: i64 = 3650;
const MAX_COLLECTIONS: usize = 100;

/// A new API key.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateApiKeyRequest {
    /// 1 to 100 characters; unique among the caller's keys, whatever the case.
    #[schema(min_length = 1, max_length = 100, example = "nightly upload")]
    pub name: String,
    /// How many days it works.
    #[schema(minimum = 1, maximum = 3650, default = 365)]
    pub expires_in_days: Option<i64>,
    /// The most it may do: `read`, `write` (add documents too) or `admin` (all that its owner may
    /// do, except administering accounts and keys).
    #[schema(schema_with = words::optional_key_scope, default = "admin")]
    pub scope: Option<String>,
    /// The collections it is limited to, up to 100 that the caller can read; without them it
    /// reaches all of the caller's.
    #[schema(value_type = Option<Vec<Uuid>>, min_items = 1, max_items = 100)]
    pub collection_ids: Option<Vec<CollectionId>>,
}

/// What to change of an API key; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({ "name": "weekly upload", "scope": "write" }))]
pub(crate) struct UpdateApiKeyRequest {
    /// As for a new key.
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// `false` revokes it, `true` makes it work again.
    pub is_active: Option<bool>,
    /// As for a new key.
    #[schema(schema_with = words::optional_key_scope)]
    pub scope: Option<String>,
    /// As for a new key; `null` for all of the caller's.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<Uuid>>, min_items = 1, max_items = 100)]
    pub collection_ids: Option<Option<Vec<CollectionId>>>,
}

/// For how long the new secret of an API key works.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct RotateApiKeyRequest {
    /// Days from now; without it the key expires when it would have.
    #[schema(minimum = 1, maximum = 3650)]
    pub expires_in_days: Option<i64>,
}

/// An API key, without the secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKeyResponse {
    #[schema(value_type = Uuid)]
    id: ApiKeyId,
    name: String,
    /// Whether it was not revoked. A key that is active may have expired.
    is_active: bool,
    /// Always `null`: `scope` says what the key may do.
    #[schema(value_type = Option<Object>)]
    permissions: Option<()>,
    #[schema(schema_with = words::key_scope)]
    scope: AccessLevel,
    /// The collections it is limited to; `null` for all of its owner's.
    #[schema(value_type = Option<Vec<Uuid>>)]
    collection_ids: Option<Vec<CollectionId>>,
    /// To the minute.
    last_used_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl From<ApiKey> for ApiKeyResponse {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            is_active: key.is_active,
            permissions: None,
            scope: key.scope,
            collection_ids: key.collection_ids,
            last_used_at: key.last_used_at,
            expires_at: key.expires_at,
            created_at: key.created_at,
        }
    }
}

/// An API key with its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKeySecretResponse {
    #[serde(flatten)]
    pub key: ApiKeyResponse,
    /// Goes into the header `Authorization: Bearer`. It is shown this once.
    #[schema(example = "smtk_6b0f3c1e_4XWmKwO0pJ8zPqk3cTn1yR7uVbS5dLfGhAeZxQiN2oY")]
    pub api_key: String,
}

/// Which keys to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListApiKeysQuery {
    /// Which page, from 1.
    #[param(minimum = 1, maximum = 1_000_000, default = 1)]
    pub page: Option<i64>,
    /// Keys on a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    pub per_page: Option<i64>,
}

/// A page of API keys, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKeysResponse {
    pub api_keys: Vec<ApiKeyResponse>,
    pub total: i64,
    pub page: i64,
    pub per_page: i64,
}

/// What an owner can change of a key: its version, and what the audit log says of it.
#[derive(Debug, Serialize)]
pub(crate) struct Editable<'a> {
    name: &'a str,
    is_active: bool,
    scope: AccessLevel,
    collection_ids: Option<&'a [CollectionId]>,
}

impl<'a> Editable<'a> {
    pub(crate) fn of(key: &'a ApiKey) -> Self {
        Self {
            name: &key.name,
            is_active: key.is_active,
            scope: key.scope,
            collection_ids: key.collection_ids.as_deref(),
        }
    }
}

pub(crate) fn etag(key: &ApiKey) -> Result<ETag, ApiError> {
    ETag::of(&Editable::of(key))
}

/// The name without spaces around it.
pub(crate) fn name(checks: &mut Checks, got: &str) -> String {
    let name = got.trim();
    checks.length("name", name, 1..=100);
    if name.chars().any(char::is_control) {
        checks.refuse("name", "must not have control characters");
    }
    name.to_owned()
}

/// What a key may do at most. What is refused reads as the least.
pub(crate) fn scope(checks: &mut Checks, got: &str) -> AccessLevel {
    match got {
        "read" => AccessLevel::Read,
        "write" => AccessLevel::Write,
        "admin" => AccessLevel::Admin,
        _ => {
            checks.refuse("scope", format!("must be read, write or admin, got {got:?}"));
            AccessLevel::Read
        }
    }
}

pub(crate) fn days(checks: &mut Checks, got: i64) -> i64 {
    checks.range("expires_in_days", got, 1..=MAX_DAYS)
}

/// The collections that a key is limited to, each once; they must be such that the caller can read.
pub(crate) async fn collections(
    checks: &mut Checks,
    tx: &mut Tx,
    caller: &Caller,
    mut ids: Vec<CollectionId>,
) -> Result<Vec<CollectionId>, ApiError> {
    if ids.is_empty() || ids.len() > MAX_COLLECTIONS {
        checks.refuse(
            "collection_ids",
            format!(
                "must name 1 to {MAX_COLLECTIONS} collections, got {}; leave it out for a key that reaches all",
                ids.len()
            ),
        );
        return Ok(ids);
    }
    ids.sort_unstable();
    ids.dedup();
    let readable = tx.collections().find_accessible_many(&ids, &caller.principal).await?;
    for id in &ids {
        if !readable.iter().any(|found| found.collection.id == *id) {
            checks.refuse("collection_ids", format!("there is no collection {id} that you can read"));
        }
    }
    Ok(ids)
}
