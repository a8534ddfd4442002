//! Whom a collection may be shared with.

use chrono::Utc;
use db::Tx;
use db::accounts::User;
use db::collections::Grantee;
use domain::{ApiKeyId, UserId};
use lambda::http::ApiError;

/// A grantee as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NamedGrantee {
    UserId(UserId),
    Username(String),
    ApiKey(ApiKeyId),
}

/// Whom the request names.
///
/// # Errors
/// 422 for accounts and keys that do not work, and where nothing would come of the grant; 503 when
/// the database does not answer.
pub(crate) async fn find(tx: &mut Tx, named: NamedGrantee, owner_id: UserId) -> Result<Grantee, ApiError> {
    match named {
        NamedGrantee::UserId(id) => {
            let found = tx.users().find(id).await?;
            let found = active(found, "user_id", || format!("there is no active account {id}"))?;
            Ok(Grantee::User(not_owner(found.id, owner_id, "user_id")?))
        }
        NamedGrantee::Username(name) => {
            let found = find_active(tx, "username", &name).await?;
            Ok(Grantee::User(not_owner(found.id, owner_id, "username")?))
        }
        NamedGrantee::ApiKey(id) => find_key(tx, id, owner_id).await,
    }
}

/// The active account of that name.
///
/// # Errors
/// 422 where there is none; 503 when the database does not answer.
pub(crate) async fn find_active(tx: &mut Tx, field: &'static str, name: &str) -> Result<User, ApiError> {
    // PostgreSQL takes every text but this one, and nobody is called like that.
    let found = if name.contains('\0') { None } else { tx.users().find_by_username(name).await? };
    active(found, field, || format!("there is no active account named {name:?}"))
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
            "this is the collection's owner, who may do everything with it; name somebody else",
        ));
    }
    Ok(user_id)
}

async fn find_key(tx: &mut Tx, id: ApiKeyId, owner_id: UserId) -> Result<Grantee, ApiError> {
    let refuse = |message: String| ApiError::invalid_field("api_key_id", message);
    let found = tx.collection_permissions().find_grantable_key(id).await?;
    let Some(key) = found.filter(|key| key.user_is_active) else {
        return Err(refuse(format!("there is no API key {id} of an active account")));
    };
    if !key.is_active {
        return Err(refuse(format!("API key {id} was revoked; name one that works")));
    }
    if let Some(at) = key.expires_at.filter(|at| *at <= Utc::now()) {
        return Err(refuse(format!("API key {id} expired at {at}; name one that works")));
    }
    if key.user_id == owner_id && !key.is_limited {
        return Err(refuse(format!(
            "API key {id} belongs to the collection's owner and reaches it already, as far as its scope goes"
        )));
    }
    Ok(Grantee::ApiKey(id))
}
