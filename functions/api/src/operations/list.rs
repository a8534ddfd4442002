//! Lists the caller's operations, or those of a collection.

use std::collections::HashMap;

use access::{Caller, Granted};
use axum::Json;
use axum::extract::State as Shared;
use db::Connection;
use db::operations::OperationQuery;
use domain::{AccessLevel, CollectionId};
use http::{HeaderName, HeaderValue};
use lambda::http::{ApiError, ListQuery, Page};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::response::{OperationResponse, with_progress};
use crate::State;

/// Which operations to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListOperationsQuery {
    /// One or more statuses, separated by commas.
    #[param(example = "pending,processing")]
    status: Option<String>,
    /// One or more types, separated by commas.
    #[param(example = "append")]
    operation_type: Option<String>,
    /// The same as `operation_type`.
    #[serde(rename = "type")]
    type_alias: Option<String>,
}

/// Validates the parameters.
fn check(
    parameters: ListQuery<Page, ListOperationsQuery>,
    collection_ids: Vec<CollectionId>,
    caller: Option<&Caller>,
) -> Result<(Page, OperationQuery), ApiError> {
    let ListQuery { page, filters, mut errors } = parameters;
    let statuses = errors.keywords("status", filters.status.as_deref());
    let types = filters.operation_type.as_deref().or(filters.type_alias.as_deref());
    let types = errors.keywords("operation_type", types);
    errors.finish()?;
    let query = OperationQuery {
        collection_ids: Some(collection_ids),
        user_id: caller.map(|caller| caller.principal.user_id),
        statuses,
        types,
        limit: page.per_page,
        offset: page.offset(),
    };
    Ok((page, query))
}

/// A page of operations, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperationsResponse {
    /// The operations of this page.
    operations: Vec<OperationResponse>,
    /// Number of matching operations on all pages.
    total: i64,
    /// Page number, starting at 1.
    page: i64,
    /// Maximum number of entries per page.
    per_page: i64,
}

/// List the caller's operations
///
/// Those that the caller started, of collections that the caller has access to.
#[utoipa::path(
    get, path = "/api/v2/operations", operation_id = "listOperations", tag = "operations", params(ListOperationsQuery, Page),
    responses((status = 200, body = OperationsResponse)),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    caller: Caller,
    parameters: ListQuery<Page, ListOperationsQuery>,
) -> Result<Json<OperationsResponse>, ApiError> {
    let mut connection = state.db.connection().await?;
    let access = access_by_collection(&mut connection, &caller).await?;
    let (page, query) = check(parameters, access.keys().copied().collect(), Some(&caller))?;
    let found = connection.operations().list(&query).await?;
    let operations = with_progress(connection.operations(), found.items, |id| {
        access.get(&id).copied().unwrap_or(AccessLevel::Read)
    });
    let operations = operations.await?;
    Ok(Json(OperationsResponse { operations, total: found.total, page: page.page, per_page: page.per_page }))
}

/// Returns the caller's present access to each collection that the user started operations of.
async fn access_by_collection(
    connection: &mut Connection,
    caller: &Caller,
) -> Result<HashMap<CollectionId, AccessLevel>, ApiError> {
    let started = connection.operations().collections_of(caller.principal.user_id).await?;
    let ids: Vec<CollectionId> = started.iter().map(|(id, _)| *id).collect();
    let accessible = connection.collections().find_accessible_many(&ids, &caller.principal).await?;
    let mut access: HashMap<CollectionId, AccessLevel> =
        accessible.into_iter().map(|found| (found.collection.id, found.access)).collect();
    // The owner of a deleted collection watches its deletion.
    let deleted = started.into_iter().filter(|(id, is_own_deleted)| *is_own_deleted && caller.may_reach(*id));
    access.extend(deleted.map(|(id, _)| (id, caller.scope)));
    Ok(access)
}

/// List a collection's operations
///
/// The response body is a plain list; the header `x-total-count` has the total.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/operations", operation_id = "listCollectionOperations", tag = "operations",
    params(("collection_id" = Uuid, Path), ListOperationsQuery, Page),
    responses((status = 200, body = Vec<OperationResponse>, headers(("x-total-count" = i64, description = "Total number of operations.")))),
)]
pub(crate) async fn list_of_collection(
    Shared(state): Shared<State>,
    Granted(found): Granted,
    parameters: ListQuery<Page, ListOperationsQuery>,
) -> Result<([(HeaderName, HeaderValue); 1], Json<Vec<OperationResponse>>), ApiError> {
    let (_, query) = check(parameters, vec![found.collection.id], None)?;
    let mut connection = state.db.connection().await?;
    let page = connection.operations().list(&query).await?;
    let operations = with_progress(connection.operations(), page.items, |_| found.access).await?;
    let total = (HeaderName::from_static("x-total-count"), HeaderValue::from(page.total));
    Ok(([total], Json(operations)))
}
