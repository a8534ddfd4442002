//! One method per route.

use domain::{ApiKeyId, CollectionId, DocumentId, DocumentStatus, OperationId, SourceId, UploadId};
use futures_util::Stream;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::client::{Client, Paging};
use crate::error::ClientError;
use crate::transport::Request;
use crate::types::{
    AnnouncedUpload, ApiKey, Collection, Document, FileAnnouncement, Integrity, Operation, PushedDocument,
    SearchRequest, SearchResponse, Source, SourceTest, Upload,
};

/// The longest that the API holds a long poll, in seconds.
const LONG_POLL_SECONDS: u32 = 20;

/// The name of a result or an error of a request.
type Result<T> = std::result::Result<T, ClientError>;

/// Every method returns [`ClientError::Refused`] if the API refuses the request, [`ClientError::NotSignedIn`] if it does
/// not accept the credentials, and [`ClientError::Unreachable`] if it does not answer.
#[expect(clippy::missing_errors_doc, reason = "described once, above")]
impl Client {
    /// Shows the caller's account; fails for API keys, which have none.
    pub async fn me(&self) -> Result<Map<String, Value>> {
        self.call(&get("/api/auth/me")).await
    }

    /// Ends the session.
    pub async fn sign_out(&self) -> Result<()> {
        self.call::<Value>(&Request::new(Method::POST, "/api/auth/logout")).await.map(drop)
    }

    /// Lists the collections that the caller can read.
    pub fn collections(&self) -> impl Stream<Item = Result<Collection>> + Send + use<> {
        self.list("/api/v2/collections", &[], Paging::Page)
    }

    /// Lists the caller's own collections whose name or description contains a text.
    pub fn own_collections(&self, search: &str) -> impl Stream<Item = Result<Collection>> + Send + use<> {
        self.list("/api/v2/collections", &[("owner", "me"), ("search", search)], Paging::Page)
    }

    /// Shows a collection.
    pub async fn collection(&self, id: CollectionId) -> Result<Collection> {
        self.call(&get(format!("/api/v2/collections/{id}"))).await
    }

    /// Creates a collection with these settings, as the API takes them.
    pub async fn create_collection(&self, settings: &Map<String, Value>) -> Result<Collection> {
        self.call(&post("/api/v2/collections", json!(settings)).idempotent()).await
    }

    /// Deletes a collection for good.
    pub async fn delete_collection(&self, id: CollectionId) -> Result<()> {
        self.delete(format!("/api/v2/collections/{id}")).await
    }

    /// Announces files, 1 to 100; returns their presigned URLs, in order.
    pub async fn announce(
        &self,
        id: CollectionId,
        files: &[FileAnnouncement],
    ) -> Result<Vec<AnnouncedUpload>> {
        #[derive(serde::Deserialize)]
        struct Announced {
            uploads: Vec<AnnouncedUpload>,
        }
        let path = format!("/api/v2/collections/{id}/uploads");
        let request = post(path, json!({ "files": files })).idempotent();
        Ok(self.call::<Announced>(&request).await?.uploads)
    }

    /// Lists the uploads of a collection in the order of their announcement; those with a status if one is given.
    pub fn uploads(
        &self,
        id: CollectionId,
        status: Option<domain::UploadStatus>,
    ) -> impl Stream<Item = Result<Upload>> + Send + use<> {
        let status = status.map(|status| ("status", status.as_str()));
        self.list(&format!("/api/v2/collections/{id}/uploads"), status.as_slice(), Paging::Page)
    }

    /// Shows an upload.
    pub async fn upload(&self, id: CollectionId, upload_id: UploadId) -> Result<Upload> {
        self.call(&get(format!("/api/v2/collections/{id}/uploads/{upload_id}"))).await
    }

    /// Lists the documents of a collection that are not deleted; those with a status if one is given.
    pub fn documents(
        &self,
        id: CollectionId,
        status: Option<DocumentStatus>,
    ) -> impl Stream<Item = Result<Document>> + Send + use<> {
        let status = status.map(|status| ("status", status.as_str()));
        self.list(&format!("/api/v2/collections/{id}/documents"), status.as_slice(), Paging::Page)
    }

    /// Shows a document.
    pub async fn document(&self, id: CollectionId, document_id: DocumentId) -> Result<Document> {
        self.call(&get(format!("/api/v2/collections/{id}/documents/{document_id}"))).await
    }

    /// Soft-deletes a document.
    pub async fn delete_document(&self, id: CollectionId, document_id: DocumentId) -> Result<()> {
        self.delete(format!("/api/v2/collections/{id}/documents/{document_id}")).await
    }

    /// Pushes a document, as the API takes it. The same URI again replaces it.
    pub async fn push(&self, id: CollectionId, document: &Map<String, Value>) -> Result<PushedDocument> {
        let path = format!("/api/v2/collections/{id}/documents/by-uri");
        self.call(&Request::new(Method::PUT, path).body(json!(document))).await
    }

    /// Shows an operation.
    pub async fn operation(&self, id: OperationId) -> Result<Operation> {
        self.call(&get(format!("/api/v2/operations/{id}"))).await
    }

    /// Waits until an operation changes, 20 seconds at most; returns it.
    pub async fn poll_operation(&self, id: OperationId) -> Result<Operation> {
        self.call(&get(format!("/api/v2/operations/{id}?wait_seconds={LONG_POLL_SECONDS}"))).await
    }

    /// Searches.
    pub async fn search(&self, request: &SearchRequest) -> Result<SearchResponse> {
        self.call(&post("/api/v2/search", json!(request))).await
    }

    /// Lists the sources of a collection.
    pub fn sources(&self, id: CollectionId) -> impl Stream<Item = Result<Source>> + Send + use<> {
        self.list(&format!("/api/v2/collections/{id}/sources"), &[], Paging::Offset)
    }

    /// Adds a source, or reads it again, as the API takes it; returns the operation.
    pub async fn add_source(&self, id: CollectionId, source: &Map<String, Value>) -> Result<Operation> {
        self.call(&post(format!("/api/v2/collections/{id}/sources"), json!(source)).idempotent()).await
    }

    /// Tries a source without adding it.
    pub async fn test_source(&self, id: CollectionId, source: &Map<String, Value>) -> Result<SourceTest> {
        self.call(&post(format!("/api/v2/collections/{id}/sources/test"), json!(source))).await
    }

    /// Tries a source that the collection has, with its stored secrets.
    pub async fn test_stored_source(&self, id: CollectionId, source_id: SourceId) -> Result<SourceTest> {
        let path = format!("/api/v2/collections/{id}/sources/test");
        self.call(&post(path, json!({ "source_id": source_id }))).await
    }

    /// Starts a sync run of all sources; returns it with its operations.
    pub async fn sync(&self, id: CollectionId) -> Result<Map<String, Value>> {
        self.call(&Request::new(Method::POST, format!("/api/v2/collections/{id}/sync/run")).idempotent())
            .await
    }

    /// Shows a sync run with its operations.
    pub async fn sync_run(&self, id: CollectionId, run_id: i64) -> Result<Map<String, Value>> {
        self.call(&get(format!("/api/v2/collections/{id}/sync/runs/{run_id}"))).await
    }

    /// Lists the caller's API keys.
    pub fn api_keys(&self) -> impl Stream<Item = Result<ApiKey>> + Send + use<> {
        self.list("/api/v2/api-keys", &[], Paging::Page)
    }

    /// Creates an API key with these settings, as the API takes them; the response has its secret.
    pub async fn create_api_key(&self, settings: &Map<String, Value>) -> Result<ApiKey> {
        self.call(&post("/api/v2/api-keys", json!(settings)).idempotent()).await
    }

    /// Revokes an API key.
    pub async fn revoke_api_key(&self, id: ApiKeyId) -> Result<ApiKey> {
        let request = Request::new(Method::PATCH, format!("/api/v2/api-keys/{id}"));
        self.call(&request.body(json!({ "is_active": false }))).await
    }

    /// Lists the caller's MCP profiles.
    pub fn mcp_profiles(&self) -> impl Stream<Item = Result<Map<String, Value>>> + Send + use<> {
        self.list("/api/v2/mcp/profiles", &[], Paging::Page)
    }

    /// Shows the settings by which an assistant uses an MCP profile.
    pub async fn mcp_config(&self, profile_id: &str) -> Result<Map<String, Value>> {
        self.call(&get(format!("/api/v2/mcp/profiles/{profile_id}/config"))).await
    }

    /// Checks a part of a collection's integrity.
    pub async fn integrity(&self, id: CollectionId, cursor: Option<&str>) -> Result<Integrity> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", "500").extend_pairs(cursor.map(|cursor| ("cursor", cursor)));
        self.call(&get(format!("/api/v2/collections/{id}/integrity?{}", query.finish()))).await
    }

    /// Starts the repair of a collection; returns the operation.
    pub async fn repair(&self, id: CollectionId) -> Result<Operation> {
        let path = format!("/api/v2/collections/{id}/integrity/repair");
        self.call(&Request::new(Method::POST, path).idempotent()).await
    }

    /// Deletes something.
    async fn delete(&self, path: String) -> Result<()> {
        self.call::<Value>(&Request::new(Method::DELETE, path)).await.map(drop)
    }
}

fn get(path: impl Into<String>) -> Request {
    Request::new(Method::GET, path)
}

fn post(path: impl Into<String>, body: Value) -> Request {
    Request::new(Method::POST, path).body(body)
}
