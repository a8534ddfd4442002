//! `list_collections` and `list_documents`.

use db::documents::{Document, DocumentQuery};
use domain::{DocumentSort, SortOrder, to_nfc};
use lambda::http::{ApiError, FieldErrors, non_empty};
use serde::Deserialize;
use serde_json::{Value, json};

use super::fetch::{title, url};
use super::{Call, arguments};
use crate::mcp::description::{describe_collection, without_nulls};

/// The default number of entries of a page, and the largest.
const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 100;
/// The highest page number.
const MAX_PAGE: i64 = 1_000_000;

#[derive(Debug, Deserialize)]
struct ListArguments {
    #[serde(default)]
    search: Option<String>,
    #[serde(default)]
    limit: Option<i64>,
    #[serde(default)]
    page: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct DocumentsArguments {
    collection: String,
    #[serde(default)]
    search: Option<String>,
    #[serde(default)]
    limit: Option<i64>,
    #[serde(default)]
    page: Option<i64>,
}

/// A valid page of a list.
struct Selection {
    search: Option<String>,
    limit: i64,
    page: i64,
}

impl Selection {
    fn new(search: Option<&str>, limit: Option<i64>, page: Option<i64>) -> Result<Self, ApiError> {
        let mut errors = FieldErrors::default();
        let search = non_empty(search).map(to_nfc);
        if let Some(search) = &search {
            errors.length("search", search, 1..=255);
            errors.no_nul("search", search);
        }
        let limit = errors.range("limit", limit.unwrap_or(DEFAULT_LIMIT), 1..=MAX_LIMIT);
        let page = errors.range("page", page.unwrap_or(1), 1..=MAX_PAGE);
        errors.finish()?;
        Ok(Self { search: search.map(|search| search.to_string()), limit, page })
    }

    fn offset(&self) -> i64 {
        (self.page - 1) * self.limit
    }

    /// Returns a page, with the number of the next one if there is one.
    fn answer(&self, name: &str, items: Vec<Value>, total: i64) -> Value {
        let next = (self.offset() + self.limit < total).then_some(self.page + 1);
        without_nulls(json!({ (name): items, "total": total, "page": self.page, "next_page": next }))
    }
}

impl Call<'_> {
    pub(super) async fn list_collections(&self, given: Value) -> Result<Value, ApiError> {
        let given: ListArguments = arguments(given)?;
        let page = Selection::new(given.search.as_deref(), given.limit, given.page)?;
        let mut connection = self.state.db.connection().await?;
        let (found, total) =
            self.view.list(&mut connection, page.search.as_deref(), page.limit, page.offset()).await?;
        Ok(page.answer("collections", found.iter().map(describe_collection).collect(), total))
    }

    pub(super) async fn list_documents(&self, given: Value) -> Result<Value, ApiError> {
        let given: DocumentsArguments = arguments(given)?;
        let page = Selection::new(given.search.as_deref(), given.limit, given.page)?;
        let mut connection = self.state.db.connection().await?;
        let found = self.view.find_named(&mut connection, "collection", &given.collection).await?;
        let query = DocumentQuery {
            collection_id: found.collection.id,
            status: None,
            source_id: None,
            container_id: None,
            search: page.search.as_deref(),
            sort: DocumentSort::CreatedAt,
            order: SortOrder::Ascending,
            limit: page.limit,
            offset: page.offset(),
        };
        let listed = connection.documents().list(&query).await?;
        let documents = listed.items.iter().map(|document| describe_document(document, &self.api_url));
        Ok(page.answer("documents", documents.collect(), listed.total))
    }
}

fn describe_document(document: &Document, api_url: &str) -> Value {
    without_nulls(json!({
        "id": document.id,
        "title": title(document),
        "url": url(document, api_url),
        "file_name": document.file_name,
        "file_path": document.file_path,
        "file_size": document.file_size,
        "mime_type": document.mime_type,
        "status": document.status,
        "passage_count": document.chunk_count,
        "metadata": document.metadata,
        "created_at": document.created_at,
        "updated_at": document.updated_at,
    }))
}
