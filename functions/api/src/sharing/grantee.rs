//! Resolving the grantee of a permission.

use chrono::Utc;
use db::Tx;
use db::accounts::User;
use db::collections::{GrantableKey, Grantee};
use domain::{ApiKeyId, Principal, UserId};
use lambda::http::ApiError;

/// A reference to a grantee, from a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NamedGrantee {
    UserId(UserId),
    Username(String),
    Email(String),
    ApiKey(ApiKeyId),
}

/// Returns the grantee that the request refers to. User ids can be counted through, so they are accepted only of
/// users whom the caller knows from a common collection, or from a superuser.
///
/// # Errors
/// Returns `Invalid` if the account or the key does not exist or is inactive, and if it has access already
/// because it is the owner or the owner's key.
pub(crate) async fn find(
    tx: &mut Tx,
    named: NamedGrantee,
    owner_id: UserId,
    caller: &Principal,
) -> Result<Grantee, ApiError> {
    match named {
        NamedGrantee::UserId(id) => {
            let is_known = caller.is_superuser || tx.users().share_a_collection(caller.user_id, id).await?;
            let found = if is_known { tx.users().find(id).await? } else { None };
            let found = active(found, "user_id", || {
                format!(
                    "no active account {id} that you share a collection with; name the user by username or email"
                )
            })?;
            Ok(Grantee::User(not_owner(found.id, owner_id, "user_id")?))
        }
        NamedGrantee::Username(name) => {
            let found = find_active(tx, "username", &name).await?;
            Ok(Grantee::User(not_owner(found.id, owner_id, "username")?))
        }
        NamedGrantee::Email(email) => {
            // PostgreSQL rejects NUL in text parameters; no address contains it.
            let found =
                if email.contains('\0') { None } else { tx.users().find_by_email(email.trim()).await? };
            let found = active(found, "email", || {
                "no account that can be identified by this email address; name the user by username"
                    .to_owned()
            })?;
            Ok(Grantee::User(not_owner(found.id, owner_id, "email")?))
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
    // One error for all of them: the state of a key is its user's business.
    let is_usable = |key: &GrantableKey| {
        key.user_is_active && key.is_active && key.expires_at.is_none_or(|at| at > Utc::now())
    };
    let Some(key) = found.filter(is_usable) else {
        return Err(invalid(format!("no active API key {id} of an active account")));
    };
    if key.user_id == owner_id && !key.is_limited {
        return Err(invalid(format!(
            "API key {id} belongs to the collection's owner and has access already, within its scope"
        )));
    }
    Ok(Grantee::ApiKey(id))
}
