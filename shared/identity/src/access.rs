//! What a caller may do with a collection.

use db::DbError;
use db::collections::{AccessibleCollection, Collections};
use domain::{Access, CollectionId, ErrorKind, Principal};
use lambda::http::ApiError;

use crate::Caller;

/// The most that this caller may do with this collection, by one statement: owner, grants to the
/// user, grants to the API key, its scope, and public collections. `None` where there is no such
/// collection or the caller may not know of it.
///
/// # Errors
/// When the database does not answer.
pub async fn access_to(
    mut collections: Collections<'_>,
    id: CollectionId,
    principal: &Principal,
) -> Result<Option<Access>, DbError> {
    Ok(collections.find_accessible(id, principal).await?.map(|found| found.access))
}

/// The collection, if the caller may do at least this with it.
///
/// # Errors
/// 404 where the caller may not even read it, 403 where reading is all that is allowed, 503 when
/// the database does not answer.
pub async fn require_access(
    mut collections: Collections<'_>,
    id: CollectionId,
    caller: &Caller,
    needed: Access,
) -> Result<AccessibleCollection, ApiError> {
    let Some(found) = collections.find_accessible(id, &caller.principal).await? else {
        return Err(ApiError::not_found("collection", id));
    };
    if found.access < needed {
        return Err(ApiError::new(
            ErrorKind::Forbidden,
            format!("you may {} collection {id}; this needs {}", verb(found.access), word(needed)),
        ));
    }
    Ok(found)
}

const fn verb(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "read and add to",
        Access::Admin => "administer",
        Access::Owner => "do anything with",
    }
}

pub(crate) const fn word(access: Access) -> &'static str {
    match access {
        Access::Read => "read access",
        Access::Write => "write access",
        Access::Admin => "admin access",
        Access::Owner => "its owner",
    }
}
