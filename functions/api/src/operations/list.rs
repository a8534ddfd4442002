//! Lists the caller's operations, or those of a collection.

use access::{Caller, Granted};
use axum::Json;
use axum::extract::State as Shared;
use db::operations::{OperationQuery, Operations};
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
    collection_id: Option<CollectionId>,
    caller: Option<&Caller>,
) -> Result<(Page, OperationQuery), ApiError> {
    let ListQuery { page, filters, mut errors } = parameters;
    let statuses = errors.keywords("status", filters.status.as_deref());
    let types = filters.operation_type.as_deref().or(filters.type_alias.as_deref());
    let types = errors.keywords("operation_type", types);
    errors.finish()?;
    let query = OperationQuery {
        collection_id,
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
#[utoipa::path(
    get, path = "/api/v2/operations", tag = "operations", params(ListOperationsQuery, Page),
    responses((status = 200, body = OperationsResponse)),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    caller: Caller,
    parameters: ListQuery<Page, ListOperationsQuery>,
) -> Result<Json<OperationsResponse>, ApiError> {
    let (page, query) = check(parameters, None, Some(&caller))?;
    let mut connection = state.db.connection().await?;
    // The caller started them, so that reasons are shown; a key with scope read may not see them.
    let (operations, total) = list_with_progress(connection.operations(), &query, caller.scope).await?;
    Ok(Json(OperationsResponse { operations, total, page: page.page, per_page: page.per_page }))
}

/// List a collection's operations
///
/// The response body is a plain list; the header `x-total-count` has the total.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/operations", tag = "operations",
    params(("collection_id" = Uuid, Path), ListOperationsQuery, Page),
    responses((status = 200, body = Vec<OperationResponse>, headers(("x-total-count" = i64, description = "Total number of operations.")))),
)]
pub(crate) async fn list_of_collection(
    Shared(state): Shared<State>,
    Granted(found): Granted,
    parameters: ListQuery<Page, ListOperationsQuery>,
) -> Result<([(HeaderName, HeaderValue); 1], Json<Vec<OperationResponse>>), ApiError> {
    let mut connection = state.db.connection().await?;
    let (_, query) = check(parameters, Some(found.collection.id), None)?;
    let (operations, total) = list_with_progress(connection.operations(), &query, found.access).await?;
    let total = (HeaderName::from_static("x-total-count"), HeaderValue::from(total));
    Ok(([total], Json(operations)))
}

/// Returns a page of operations and the total, with a constant number of statements.
async fn list_with_progress(
    mut operations: Operations<'_>,
    query: &OperationQuery,
    access: AccessLevel,
) -> Result<(Vec<OperationResponse>, i64), ApiError> {
    let page = operations.list(query).await?;
    Ok((with_progress(operations, page.items, access).await?, page.total))
}
