//! Request and response types of API keys, and the validation of their fields.

use access::Caller;
use chrono::{DateTime, Utc};
use db::Tx;
use db::accounts::ApiKey;
use domain::{AccessLevel, ApiKeyId, CollectionId};
use lambda::http::{ApiError, ETag, FieldErrors};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::nullable::nullable;
use crate::openapi::words;

/// Default lifetime of a key in days.
pub(crate) const DEFAULT_DAYS: i64 = 365;
/// The scope of a key that is created without one: the least.
pub(crate) const DEFAULT_SCOPE: &str = "read";
const MAX_DAYS: i64 = 3650;
const MAX_COLLECTIONS: usize = 100;

/// An API key to create.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct CreateApiKeyRequest {
    /// Name, 1 to 100 characters. Unique among the caller's keys, regardless of case.
    #[schema(min_length = 1, max_length = 100, example = "nightly upload")]
    pub name: String,
    /// Lifetime in days, 1 to 3650; default 365.
    #[schema(minimum = 1, maximum = 3650, default = 365)]
    pub expires_in_days: Option<i64>,
    /// Highest access level of the key: `read`, `write` (also change documents and sources) or `admin`
    /// (everything its user may do except sharing collections and managing accounts and API keys); default
    /// `read`.
    #[schema(value_type = Option<words::ApiKeyScope>, default = "read")]
    pub scope: Option<String>,
    /// Restricts the key to these collections: 1 to 100 that the caller can read; default no restriction.
    #[schema(value_type = Option<Vec<Uuid>>, min_items = 1, max_items = 100)]
    pub collection_ids: Option<Vec<CollectionId>>,
}

/// Changes of an API key. Absent fields stay unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({ "name": "weekly upload", "scope": "write" }))]
pub(crate) struct UpdateApiKeyRequest {
    /// Name, 1 to 100 characters. Unique among the caller's keys, regardless of case.
    #[schema(min_length = 1, max_length = 100)]
    pub name: Option<String>,
    /// `false` revokes the key, `true` reactivates it.
    pub is_active: Option<bool>,
    /// Highest access level of the key: `read`, `write` or `admin`.
    #[schema(value_type = Option<words::ApiKeyScope>)]
    pub scope: Option<String>,
    /// Restricts the key to these collections, 1 to 100 that the caller can read; `null` removes the
    /// restriction.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<Vec<Uuid>>, min_items = 1, max_items = 100)]
    pub collection_ids: Option<Option<Vec<CollectionId>>>,
}

/// The lifetime of the new secret.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct RotateApiKeyRequest {
    /// Lifetime in days from now, 1 to 3650; default: the expiry stays unchanged.
    #[schema(minimum = 1, maximum = 3650)]
    pub expires_in_days: Option<i64>,
}

/// An API key without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKeyResponse {
    /// Identifies the key.
    #[schema(value_type = Uuid)]
    id: ApiKeyId,
    /// Name, unique among the user's keys.
    name: String,
    /// `false` after the key was revoked. An active key may have expired.
    is_active: bool,
    /// Always `null`, for compatibility; see `scope`.
    #[schema(value_type = Option<Object>)]
    permissions: Option<()>,
    /// Highest access level of the key.
    #[schema(value_type = words::ApiKeyScope)]
    scope: AccessLevel,
    /// The collections that the key is restricted to; `null` if unrestricted.
    #[schema(value_type = Option<Vec<Uuid>>)]
    collection_ids: Option<Vec<CollectionId>>,
    /// When the key was last used, updated at most once a minute; `null` if never since the last rotation.
    last_used_at: Option<DateTime<Utc>>,
    /// When the key expires; `null` for keys without expiry.
    expires_at: Option<DateTime<Utc>>,
    /// When the key was created.
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
    /// The secret, for the header `Authorization: Bearer`. Shown only in this response.
    #[schema(example = "smtk_6b0f3c1e_4XWmKwO0pJ8zPqk3cTn1yR7uVbS5dLfGhAeZxQiN2oY")]
    pub api_key: String,
}

/// A page of API keys, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKeysResponse {
    /// The keys of this page.
    pub api_keys: Vec<ApiKeyResponse>,
    /// Number of the caller's keys on all pages.
    pub total: i64,
    /// Page number, starting at 1.
    pub page: i64,
    /// Keys per page.
    pub per_page: i64,
}

/// The fields that a user can change: hashed into the `ETag`, and recorded in the audit log.
#[derive(Debug, Serialize)]
pub(crate) struct Editable<'a> {
    name: &'a str,
    is_active: bool,
    scope: AccessLevel,
    collection_ids: Option<&'a [CollectionId]>,
}

impl<'a> Editable<'a> {
    /// Selects the fields of a key.
    pub(crate) fn of(key: &'a ApiKey) -> Self {
        Self {
            name: &key.name,
            is_active: key.is_active,
            scope: key.scope,
            collection_ids: key.collection_ids.as_deref(),
        }
    }
}

/// Returns the version of a key.
pub(crate) fn etag(key: &ApiKey) -> Result<ETag, ApiError> {
    ETag::of(&Editable::of(key))
}

/// Checks a name and returns it without surrounding whitespace.
pub(crate) fn check_name(errors: &mut FieldErrors, got: &str) -> String {
    let name = got.trim();
    errors.length("name", name, 1..=100);
    if name.chars().any(char::is_control) {
        errors.add("name", "contains control characters; all other characters are allowed");
    }
    name.to_owned()
}

/// Parses a scope. An invalid one is reported and parsed as the lowest.
pub(crate) fn parse_scope(errors: &mut FieldErrors, got: &str) -> AccessLevel {
    match got {
        "read" => AccessLevel::Read,
        "write" => AccessLevel::Write,
        "admin" => AccessLevel::Admin,
        _ => {
            errors.add("scope", format!("unknown value; read, write, admin allowed, got {got:?}"));
            AccessLevel::Read
        }
    }
}

/// Checks a lifetime in days.
pub(crate) fn check_days(errors: &mut FieldErrors, got: i64) -> i64 {
    errors.range("expires_in_days", got, 1..=MAX_DAYS)
}

/// Checks that the caller can read the collections, and returns them sorted and without duplicates.
pub(crate) async fn check_collections(
    errors: &mut FieldErrors,
    tx: &mut Tx,
    caller: &Caller,
    mut ids: Vec<CollectionId>,
) -> Result<Vec<CollectionId>, ApiError> {
    if ids.is_empty() || ids.len() > MAX_COLLECTIONS {
        errors.add(
            "collection_ids",
            format!(
                "wrong number of items; 1 to {MAX_COLLECTIONS} allowed, got {}; omit it for an unrestricted key",
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
            errors.add("collection_ids", format!("no collection {id}, or you do not have access to it"));
        }
    }
    Ok(ids)
}
