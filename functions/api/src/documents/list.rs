//! Lists documents.

use access::Granted;
use axum::Json;
use axum::extract::State as Shared;
use db::documents::DocumentQuery;
use domain::{AccessLevel, DocumentId, DocumentSort, DocumentStatus, SortOrder, SourceId, to_nfc};
use lambda::http::{ApiError, BaseUrl, ListQuery, Page, non_empty};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::response::DocumentResponse;
use crate::State;
use crate::openapi::words;

/// Which documents to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListDocumentsQuery {
    /// Only documents with this status. Without it, deleted documents are left out; `deleted` requires write
    /// access.
    #[param(schema_with = words::DocumentStatus::inline)]
    status: Option<String>,
    /// Only documents of this source.
    source_id: Option<i64>,
    /// Only documents that this document contains, without those that are in one of them.
    #[param(value_type = Option<Uuid>)]
    container_id: Option<DocumentId>,
    /// Only documents whose path, including the file name, contains this text; case-insensitive.
    #[param(max_length = 255)]
    search: Option<String>,
    /// What decides the order.
    #[param(schema_with = words::DocumentSort::inline, default = "created_at")]
    sort_by: Option<String>,
    /// Which way it goes.
    #[param(schema_with = words::SortOrder::inline, default = "asc")]
    sort_order: Option<String>,
}

/// A page of documents.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentsResponse {
    /// The documents of this page.
    documents: Vec<DocumentResponse>,
    /// Number of matching documents on all pages.
    total: i64,
    /// Page number, starting at 1.
    page: i64,
    /// Maximum number of entries per page.
    per_page: i64,
}

/// List a collection's documents
///
/// Returns one page, without deleted documents unless `status` asks for them.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/documents", operation_id = "listDocuments", tag = "documents",
    params(("collection_id" = Uuid, Path), ListDocumentsQuery, Page),
    responses((status = 200, body = DocumentsResponse)),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    granted: Granted,
    base_url: BaseUrl,
    ListQuery { page: paging, filters: query, mut errors }: ListQuery<Page, ListDocumentsQuery>,
) -> Result<Json<DocumentsResponse>, ApiError> {
    let status = non_empty(query.status.as_deref());
    let status = status.and_then(|status| errors.keyword("status", status));
    let search = non_empty(query.search.as_deref()).map(to_nfc);
    if let Some(search) = &search {
        errors.length("search", search, 1..=255);
        errors.no_nul("search", search);
    }
    let sort = non_empty(query.sort_by.as_deref()).map(|sort| errors.keyword("sort_by", sort));
    let order = non_empty(query.sort_order.as_deref()).map(|order| errors.keyword("sort_order", order));
    errors.finish()?;
    if status == Some(DocumentStatus::Deleted) {
        granted.require(AccessLevel::Write)?;
    }
    let Granted(found) = granted;
    let query = DocumentQuery {
        collection_id: found.collection.id,
        status,
        source_id: query.source_id.map(SourceId),
        container_id: query.container_id,
        search: search.as_deref(),
        sort: sort.flatten().unwrap_or(DocumentSort::CreatedAt),
        order: order.flatten().unwrap_or(SortOrder::Ascending),
        limit: paging.per_page,
        offset: paging.offset(),
    };
    let mut connection = state.db.connection().await?;
    let page = connection.documents().list(&query).await?;
    let api_url = base_url.configured(state.limits.api_url.as_deref());
    Ok(Json(DocumentsResponse {
        documents: page
            .items
            .into_iter()
            .map(|document| DocumentResponse::new(document, found.access, &api_url))
            .collect(),
        total: page.total,
        page: paging.page,
        per_page: paging.per_page,
    }))
}
