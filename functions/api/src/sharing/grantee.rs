//! Resolving the grantee of a permission.

use chrono::Utc;
use db::Tx;
use db::accounts::User;
use db::collections::Grantee;
use domain::{ApiKeyId, UserId};
use lambda::http::ApiError;

/// A reference to a grantee, from a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NamedGrantee {
    UserId(UserId),
    Username(String),
    ApiKey(ApiKeyId),
}

/// Returns the grantee that the request refers to.
///
/// # Errors
/// Returns `Invalid` if the account or the key does not exist or is inactive, and if it has access already
/// because it is the owner or the owner's key.
pub(crate) async fn find(tx: &mut Tx, named: NamedGrantee, owner_id: UserId) -> Result<Grantee, ApiError> {
    match named {
        NamedGrantee::UserId(id) => {
            let found = tx.users().find(id).await?;
            let found = active(found, "user_id", || format!("no active account with id {id}"))?;
            Ok(Grantee::User(not_owner(found.id, owner_id, "user_id")?))
        }
        NamedGrantee::Username(name) => {
            let found = find_active(tx, "username", &name).await?;
            Ok(Grantee::User(not_owner(found.id, owner_id, "username")?))
        }
        NamedGrantee::ApiKey(id) => find_key(tx, id, owner_id).await,
    }
}

/// Returns the active account with this username.
///
/// # Errors
/// Returns `Invalid` if there is none.
pub(crate) async fn find_active(tx: &mut Tx, field: &'static str, name: &str) -> Result<User, ApiError> {
    // PostgreSQL rejects NUL in text parameters; no username contains it.
    let found = if name.contains('\0') { None } else { tx.users().find_by_username(name).await? };
    active(found, field, || format!("no active account with username {name:?}"))
}

fn active(
    found: Option<User>,
    field: &'static str,
    message: impl FnOnce() -> String,
) -> Result<User, ApiError> {
    found.filter(|user| user.is_active).ok_or_else(|| ApiError::invalid_field(field, message()))
}

fn not_owner(user_id: UserId, owner_id: UserId, field: &'static str) -> Result<UserId, ApiError> {
    if user_id == owner_id {
        return Err(ApiError::invalid_field(
            field,
            "is the collection's owner, who has full access already; choose another user",
        ));
    }
    Ok(user_id)
}

async fn find_key(tx: &mut Tx, id: ApiKeyId, owner_id: UserId) -> Result<Grantee, ApiError> {
    let invalid = |message: String| ApiError::invalid_field("api_key_id", message);
    let found = tx.collection_permissions().find_grantable_key(id).await?;
    let Some(key) = found.filter(|key| key.user_is_active) else {
        return Err(invalid(format!("no API key {id} of an active account")));
    };
    if !key.is_active {
        return Err(invalid(format!("API key {id} is revoked; choose an active key")));
    }
    if let Some(at) = key.expires_at.filter(|at| *at <= Utc::now()) {
        return Err(invalid(format!("API key {id} expired at {at}; choose an active key")));
    }
    if key.user_id == owner_id && !key.is_limited {
        return Err(invalid(format!(
            "API key {id} belongs to the collection's owner and has access already, within its scope"
        )));
    }
    Ok(Grantee::ApiKey(id))
}
