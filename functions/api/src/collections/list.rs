//! Lists collections.

use access::Caller;
use axum::Json;
use axum::extract::State as Shared;
use db::collections::{AccessibleCollection, CollectionQuery};
use domain::{CollectionId, CollectionSort, CollectionStatus, SortOrder};
use lambda::http::{ApiError, ApiQuery, Problem};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::Object;
use utoipa::{IntoParams, ToSchema};

use super::fields::one_of;
use super::response::CollectionResponse;
use crate::State;
use crate::openapi::words;
use crate::paging::Paging;
use crate::validation::{Checks, filled};

const OWNERS: [&str; 2] = ["all", "me"];

/// Which collections to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListCollectionsQuery {
    /// Page number, from 1.
    #[param(minimum = 1, maximum = 1_000_000, default = 1)]
    page: Option<i64>,
    /// Collections per page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    per_page: Option<i64>,
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
    #[param(schema_with = words::collection_status)]
    status: Option<String>,
    /// The field to sort by.
    #[param(schema_with = words::collection_sort, default = "created_at")]
    sort_by: Option<String>,
    /// Sort order; default `asc` for names, `desc` for the other fields.
    #[param(schema_with = words::sort_order)]
    sort_order: Option<String>,
}

/// A page of collections.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CollectionsResponse {
    collections: Vec<CollectionResponse>,
    total: i64,
    page: i64,
    per_page: i64,
}

/// List collections that the caller can read
#[utoipa::path(
    get, path = "/api/v2/collections", tag = "collections", params(ListCollectionsQuery),
    responses(
        (status = 200, body = CollectionsResponse),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "A parameter is wrong."),
    ),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    caller: Caller,
    ApiQuery(query): ApiQuery<ListCollectionsQuery>,
) -> Result<Json<CollectionsResponse>, ApiError> {
    let mut checks = Checks::default();
    let paging = Paging::check(&mut checks, query.page, query.per_page);
    let owner = filled(query.owner.as_deref()).unwrap_or(OWNERS[0]);
    one_of(&mut checks, "owner", owner, &OWNERS);
    let search = filled(query.search.as_deref());
    if let Some(search) = search {
        checks.length("search", search, 1..=255);
        checks.no_nul("search", search);
    }
    let status = filled(query.status.as_deref());
    let status = status.and_then(|status| checks.word::<CollectionStatus>("status", status));
    let sort = filled(query.sort_by.as_deref()).unwrap_or(CollectionSort::CreatedAt.as_str());
    let sort = checks.word("sort_by", sort).unwrap_or(CollectionSort::CreatedAt);
    let default_order =
        if sort == CollectionSort::Name { SortOrder::Ascending } else { SortOrder::Descending };
    let order = filled(query.sort_order.as_deref()).unwrap_or(default_order.as_str());
    let order = checks.word("sort_order", order).unwrap_or(default_order);
    checks.finish()?;
    let query = CollectionQuery {
        include_public: query.include_public.unwrap_or(true),
        owned: owner == "me",
        search,
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
        CollectionResponse::new(found.collection, found.access, error_count)
    };
    Ok(Json(CollectionsResponse {
        collections: page.items.into_iter().map(describe).collect(),
        total: page.total,
        page: paging.page,
        per_page: paging.per_page,
    }))
}

fn collection_owner() -> Object {
    words::one_of(OWNERS.into_iter())
}
