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

impl Granted {
    /// Rejects callers with less access than one of the route's options needs.
    ///
    /// # Errors
    /// Returns `Forbidden` if the caller has less access.
    pub fn require(&self, needed: AccessLevel) -> Result<(), ApiError> {
        require(self.0.access, needed, || format!("collection {}", self.0.collection.id))
    }
}

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

/// Loads the operation and checks the caller's present access to its collection; whoever started it has no more
/// than that. Of a deleted collection, the owner sees the operations until they are gone with it.
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
    let found = connection.collections().find_accessible(operation.collection_id, &caller.principal).await?;
    let access = match found {
        Some(found) => Some(found.access),
        None => access_to_deleted(connection, caller, operation.collection_id).await?,
    };
    let Some(access) = access else {
        return Err(ApiError::not_found("operation", id));
    };
    require(access, needed, || format!("the collection of operation {id}"))?;
    Ok(GrantedOperation { operation, access })
}

/// Returns the caller's access to the operations of a deleted collection: its owner watches the deletion.
async fn access_to_deleted(
    connection: &mut Connection,
    caller: &Caller,
    id: CollectionId,
) -> Result<Option<AccessLevel>, ApiError> {
    let collection = connection.collections().find_any(id).await?;
    let is_owner = collection.is_some_and(|collection| {
        collection.deleted_at.is_some() && collection.owner_id == caller.principal.user_id
    });
    Ok((is_owner && caller.may_reach(id)).then_some(caller.scope))
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
