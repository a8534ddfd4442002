//! Lists collections.

use access::Caller;
use axum::Json;
use axum::extract::State as Shared;
use db::collections::{AccessibleCollection, CollectionQuery};
use domain::{CollectionId, CollectionSort, CollectionStatus, SortOrder, to_nfc};
use lambda::http::{ApiError, ListQuery, Page, non_empty};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::Object;
use utoipa::{IntoParams, ToSchema};

use super::response::CollectionResponse;
use crate::State;
use crate::openapi::words;

const OWNERS: [&str; 2] = ["all", "me"];

/// Which collections to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListCollectionsQuery {
    /// Whether to include public collections of other users.
    #[param(default = true)]
    include_public: Option<bool>,
    /// `me` for the caller's own collections only.
    #[param(schema_with = collection_owner, default = "all")]
    owner: Option<String>,
    /// Only collections whose name or description contains this text, ignoring case.
    #[param(max_length = 255)]
    search: Option<String>,
    /// Only collections with this status.
    #[param(schema_with = words::CollectionStatus::inline)]
    status: Option<String>,
    /// The field to sort by.
    #[param(schema_with = words::CollectionSort::inline, default = "created_at")]
    sort_by: Option<String>,
    /// Sort order; default `asc` for names, `desc` for the other fields.
    #[param(schema_with = words::SortOrder::inline)]
    sort_order: Option<String>,
}

/// A page of collections.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CollectionsResponse {
    /// The collections of this page.
    collections: Vec<CollectionResponse>,
    /// Number of matching collections on all pages.
    total: i64,
    /// Page number, starting at 1.
    page: i64,
    /// Maximum number of entries per page.
    per_page: i64,
}

/// List collections that the caller can read
///
/// Without their `metadata`, which `GET /api/v2/collections/{collection_id}` returns.
#[utoipa::path(
    get, path = "/api/v2/collections", operation_id = "listCollections", tag = "collections", params(ListCollectionsQuery, Page),
    responses((status = 200, body = CollectionsResponse)),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    caller: Caller,
    ListQuery { page: paging, filters: query, mut errors }: ListQuery<Page, ListCollectionsQuery>,
) -> Result<Json<CollectionsResponse>, ApiError> {
    let owner = non_empty(query.owner.as_deref()).unwrap_or(OWNERS[0]);
    errors.one_of("owner", owner, &OWNERS);
    let search = non_empty(query.search.as_deref()).map(to_nfc);
    if let Some(search) = &search {
        errors.length("search", search, 1..=255);
        errors.no_nul("search", search);
    }
    let status = non_empty(query.status.as_deref());
    let status = status.and_then(|status| errors.keyword::<CollectionStatus>("status", status));
    let sort = non_empty(query.sort_by.as_deref()).unwrap_or(CollectionSort::CreatedAt.as_str());
    let sort = errors.keyword("sort_by", sort).unwrap_or(CollectionSort::CreatedAt);
    let default_order =
        if sort == CollectionSort::Name { SortOrder::Ascending } else { SortOrder::Descending };
    let order = non_empty(query.sort_order.as_deref()).unwrap_or(default_order.as_str());
    let order = errors.keyword("sort_order", order).unwrap_or(default_order);
    errors.finish()?;
    let query = CollectionQuery {
        include_public: query.include_public.unwrap_or(true),
        owned: owner == "me",
        search: search.as_deref(),
        status,
        sort,
        order,
        limit: paging.per_page,
        offset: paging.offset(),
    };
    let mut connection = state.db.connection().await?;
    let page = connection.collections().list_accessible(&caller.principal, &query).await?;
    let ids: Vec<CollectionId> = page.items.iter().map(|found| found.collection.id).collect();
    let error_counts = connection.collections().error_counts(&ids).await?;
    let describe = |found: AccessibleCollection| {
        let error_count = error_counts.get(&found.collection.id).copied().unwrap_or(0);
        CollectionResponse::in_list(found.collection, found.access, error_count)
    };
    Ok(Json(CollectionsResponse {
        collections: page.items.into_iter().map(describe).collect(),
        total: page.total,
        page: paging.page,
        per_page: paging.per_page,
    }))
}

fn collection_owner() -> Object {
    words::one_of(OWNERS)
}
