//! What a route's declaration has looked up already: handlers take it as extractors.

use axum::extract::FromRequestParts;
use db::Connection;
use db::collections::AccessibleCollection;
use db::operations::Operation;
use domain::{AccessLevel, CollectionId, ErrorKind, OperationId};
use http::request::Parts;
use lambda::http::ApiError;

use crate::{AccessError, Caller};

/// The collection of a route that is declared with [`crate::Access::Collection`], as it was when
/// access to it was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Granted(pub AccessibleCollection);

/// The operation of a route that is declared with [`crate::Access::Operation`].
#[derive(Debug, Clone, PartialEq)]
pub struct GrantedOperation {
    /// The operation as it was when access to it was decided.
    pub operation: Operation,
    /// The most that the caller may do with it.
    pub access: AccessLevel,
}

/// The collection, if the caller may do at least this with it: owner, grants to the user, grants to
/// the API key, its scope and being public are decided by one statement.
///
/// # Errors
/// 404 where the caller may not even read it, 403 where they may not do this, 503 when the database
/// does not answer.
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

/// The operation, if the caller may do at least this with its collection, or asked for it.
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
        // The operation that deletes a collection is seen by nobody else any more.
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
        format!("you have {} to {what}; this needs {}", access.phrase(), needed.phrase()),
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

/// What the guard has put into the request.
pub(crate) fn provided<T: Clone + Send + Sync + 'static>(
    parts: &Parts,
    what: &'static str,
) -> Result<T, ApiError> {
    parts.extensions.get::<T>().cloned().ok_or_else(|| AccessError::NotDeclared(what).into())
}
