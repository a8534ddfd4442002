//! The collection or operation that the middleware loaded to authorize the caller: extractors for handlers.

use axum::extract::FromRequestParts;
use db::Connection;
use db::collections::AccessibleCollection;
use db::operations::Operation;
use domain::{AccessLevel, CollectionId, ErrorKind, OperationId};
use http::request::Parts;
use lambda::http::ApiError;

use crate::caller::Caller;
use crate::extension::provided;

/// The collection of a route that is declared with [`crate::Access::Collection`], as of the access check.
#[derive(Debug, Clone, PartialEq)]
pub struct Granted(pub AccessibleCollection);

/// The operation of a route that is declared with [`crate::Access::Operation`].
#[derive(Debug, Clone, PartialEq)]
pub struct GrantedOperation {
    /// The operation as of the access check.
    pub operation: Operation,
    /// The caller's highest access to it.
    pub access: AccessLevel,
}

/// Loads the collection and checks the caller's access in one statement: ownership, grants to the user and
/// to the API key, the key's scope, and whether the collection is public.
///
/// # Errors
/// Returns `NotFound` if the caller cannot read it, `Forbidden` if they have too little access.
pub(crate) async fn collection(
    connection: &mut Connection,
    caller: &Caller,
    id: CollectionId,
    needed: AccessLevel,
) -> Result<Granted, ApiError> {
    let Some(found) = connection.collections().find_accessible(id, &caller.principal).await? else {
        return Err(ApiError::not_found("collection", id));
    };
    require(found.access, needed, || format!("collection {id}"))?;
    Ok(Granted(found))
}

/// Loads the operation and checks the caller's access to its collection. The user who started it can see and
/// cancel it.
///
/// # Errors
/// As for [`collection`].
pub(crate) async fn operation(
    connection: &mut Connection,
    caller: &Caller,
    id: OperationId,
    needed: AccessLevel,
) -> Result<GrantedOperation, ApiError> {
    let Some(operation) = connection.operations().find(id).await? else {
        return Err(ApiError::not_found("operation", id));
    };
    let mut access = None;
    if operation.user_id == caller.principal.user_id && caller.only_collections.is_none() {
        // An operation that deletes its collection is visible to no other user.
        access = Some(caller.scope.min(AccessLevel::Write));
    }
    if access.is_none_or(|access| access < needed) {
        let found =
            connection.collections().find_accessible(operation.collection_id, &caller.principal).await?;
        access = access.max(found.map(|found| found.access));
    }
    let Some(access) = access else {
        return Err(ApiError::not_found("operation", id));
    };
    require(access, needed, || format!("the collection of operation {id}"))?;
    Ok(GrantedOperation { operation, access })
}

fn require(access: AccessLevel, needed: AccessLevel, what: impl FnOnce() -> String) -> Result<(), ApiError> {
    if access >= needed {
        return Ok(());
    }
    let what = what();
    Err(ApiError::new(
        ErrorKind::Forbidden,
        format!("Insufficient access to {what}; {} required, got {}", needed.phrase(), access.phrase()),
    ))
}

impl<S: Sync> FromRequestParts<S> for Granted {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        provided(parts, "Granted")
    }
}

impl<S: Sync> FromRequestParts<S> for GrantedOperation {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        provided(parts, "GrantedOperation")
    }
}
