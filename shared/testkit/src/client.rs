//! A client of the API for tests.

use std::time::{Duration, Instant};

use bytes::Bytes;
use client::{Method, Request, StatusCode, Transport, header};
use serde_json::{Value, json};

use crate::{Stack, unique};

/// Returns a builder of an HTTP client that knows nothing of the API.
pub fn http_client() -> reqwest::ClientBuilder {
    client::install_cryptography();
    reqwest::Client::builder()
}

/// An HTTP response with its body.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: header::HeaderMap,
    /// The body.
    pub bytes: Bytes,
}

impl Response {
    /// Parses the body as JSON; an empty body is `null`.
    ///
    /// # Panics
    /// Panics if the body is not JSON.
    pub fn json(&self) -> Value {
        if self.bytes.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.bytes)))
    }

    /// Checks the status and parses the body as JSON.
    ///
    /// # Panics
    /// Panics if the status differs or the body is not JSON.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.bytes));
        self.json()
    }
}

/// A file to upload.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The document's name, with `/` between folders.
    pub name: String,
    /// The content.
    pub bytes: Bytes,
    /// The media type.
    pub content_type: String,
}

impl Upload {
    /// Creates a plain text file.
    pub fn text(name: &str, text: impl Into<String>) -> Self {
        Self { name: name.to_owned(), bytes: Bytes::from(text.into()), content_type: "text/plain".to_owned() }
    }

    /// Creates a file of a format that its name tells.
    pub fn file(name: &str, bytes: impl Into<Bytes>) -> Self {
        let content_type = "application/octet-stream".to_owned();
        Self { name: name.to_owned(), bytes: bytes.into(), content_type }
    }
}

/// A registered user who is signed in, or an anonymous caller.
#[derive(Debug, Clone)]
pub struct TestUser {
    transport: Transport,
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
    /// The bearer token of its requests; empty for an anonymous caller.
    pub access_token: String,
    /// The refresh token.
    pub refresh_token: String,
}

impl TestUser {
    /// Creates a caller who is not signed in.
    pub fn anonymous(stack: &Stack) -> Self {
        Self {
            transport: Transport::new(&stack.api_url).expect("API_URL is a URL"),
            username: String::new(),
            password: String::new(),
            access_token: String::new(),
            refresh_token: String::new(),
        }
    }

    /// Registers a user with a unique name and signs in.
    pub async fn register(stack: &Stack) -> Self {
        let mut user = Self::anonymous(stack);
        user.username = unique("user").replace('-', "_");
        user.password = unique("correct horse battery");
        let body = json!({
            "username": user.username,
            "email": format!("{}@example.org", user.username),
            "password": user.password,
        });
        user.post("/api/auth/register", &body).await.expect(201);
        let body = json!({ "username": user.username, "password": user.password });
        let tokens = user.post("/api/auth/login", &body).await.expect(200);
        user.access_token = text(&tokens["access_token"]);
        user.refresh_token = text(&tokens["refresh_token"]);
        user
    }

    /// Sends a request once, whatever comes back, and reads the response.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Response {
        let request = Request { body: body.cloned(), ..Request::new(method, path) };
        let token = (!self.access_token.is_empty()).then_some(self.access_token.as_str());
        let response = self.transport.send(&request, token).await.expect("the API responds");
        Response { status: response.status, headers: response.headers, bytes: response.bytes }
    }

    /// Sends a GET request.
    pub async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, None).await
    }

    /// Sends a POST request with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Sends a DELETE request.
    pub async fn delete(&self, path: &str) -> Response {
        self.send(Method::DELETE, path, None).await
    }

    /// Creates a collection and waits until its index exists; returns its id.
    pub async fn create_collection(&self) -> String {
        let body = json!({ "name": unique("collection"), "quantization": "float32" });
        let collection = self.post("/api/v2/collections", &body).await.expect(201);
        self.wait_for_operation(&text(&collection["initial_operation_id"])).await;
        text(&collection["id"])
    }

    /// Announces one file; returns its upload: presigned URL, method, headers.
    pub async fn announce(&self, collection: &str, file: &Upload) -> Value {
        self.announce_with_metadata(collection, file, &Value::Null).await
    }

    /// Announces one file with metadata for its document; returns its upload.
    pub async fn announce_with_metadata(&self, collection: &str, file: &Upload, metadata: &Value) -> Value {
        let body = json!({ "files": [{
            "name": file.name, "size": file.bytes.len(), "content_type": file.content_type, "metadata": metadata,
        }] });
        let answer = self.post(&format!("/api/v2/collections/{collection}/uploads"), &body).await.expect(201);
        answer["uploads"][0].clone()
    }

    /// PUTs bytes to the presigned URL of an upload, with the headers that it requires.
    pub async fn put(&self, upload: &Value, bytes: Bytes) -> StatusCode {
        let headers = upload["headers"].as_object().expect("headers is an object");
        let headers: Vec<(&String, String)> =
            headers.iter().map(|(name, value)| (name, text(value))).collect();
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let size = u64::try_from(bytes.len()).expect("the length fits");
        let response = self.transport.put(&text(&upload["url"]), headers, size, bytes.into()).await;
        response.expect("the bucket responds").status
    }

    /// Uploads files and waits until all of their documents are processed; returns the documents, in order.
    pub async fn upload(&self, collection: &str, files: &[Upload]) -> Vec<Value> {
        for file in files {
            let announced = self.announce(collection, file).await;
            let status = self.put(&announced, file.bytes.clone()).await;
            assert!(status.is_success(), "the bucket rejected {}: {status}", file.name);
        }
        let mut rows = Vec::new();
        for file in files {
            rows.push(self.wait_for_document(collection, &file.name).await);
        }
        rows
    }

    /// Uploads a file with metadata; returns its operation when that has ended.
    pub async fn upload_with_metadata(&self, collection: &str, file: &Upload, metadata: &Value) -> Value {
        let announced = self.announce_with_metadata(collection, file, metadata).await;
        let status = self.put(&announced, file.bytes.clone()).await;
        assert!(status.is_success(), "the bucket rejected {}: {status}", file.name);
        let path = format!("/api/v2/collections/{collection}/uploads/{}", text(&announced["id"]));
        let upload = self.wait_until(&path, |upload| upload["status"] == "received").await;
        self.wait_for_operation(&text(&upload["operation_id"])).await
    }

    /// Waits until the document with this path is processed; returns it.
    ///
    /// # Panics
    /// Panics after two minutes.
    pub async fn wait_for_document(&self, collection: &str, file_path: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let path = format!("/api/v2/collections/{collection}/documents?per_page=100");
            let documents = self.get(&path).await.expect(200);
            let rows = documents["documents"].as_array().cloned().unwrap_or_default();
            let row = rows.into_iter().find(|row| row["file_path"] == file_path);
            if let Some(row) = row
                && !["pending", "processing"].contains(&text(&row["status"]).as_str())
            {
                return row;
            }
            assert!(Instant::now() < deadline, "{file_path} is not processed after two minutes: {documents}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Polls a resource until the condition holds; returns it.
    ///
    /// # Panics
    /// Panics after two minutes.
    pub async fn wait_until(&self, path: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let resource = self.get(path).await.expect(200);
            if condition(&resource) {
                return resource;
            }
            assert!(
                Instant::now() < deadline,
                "{path} does not meet the condition after two minutes: {resource}"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until no operation of the collection is pending or processing.
    ///
    /// # Panics
    /// Panics after two minutes.
    pub async fn wait_until_idle(&self, collection: &str) {
        self.wait_until("/api/v2/operations?status=pending,processing&per_page=100", |listed| {
            let operations = listed["operations"].as_array().cloned().unwrap_or_default();
            operations.iter().all(|operation| operation["collection_id"] != collection)
        })
        .await;
    }

    /// Waits until an operation has ended; returns it.
    ///
    /// # Panics
    /// Panics after three minutes.
    pub async fn wait_for_operation(&self, id: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(180);
        loop {
            let operation = self.get(&format!("/api/v2/operations/{id}?wait_seconds=10")).await.expect(200);
            if ["completed", "failed", "cancelled"].contains(&text(&operation["status"]).as_str()) {
                return operation;
            }
            assert!(
                Instant::now() < deadline,
                "operation {id} has not ended after three minutes: {operation}"
            );
        }
    }

    /// Searches one collection with default settings; returns the results.
    pub async fn search(&self, collection: &str, query: &str) -> Vec<Value> {
        let body = json!({ "collection_uuids": [collection], "query": query, "k": 5 });
        let answer = self.post("/api/v2/search", &body).await.expect(200);
        answer["results"].as_array().cloned().unwrap_or_default()
    }
}

/// Returns a JSON string.
///
/// # Panics
/// Panics if the value is not a string.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string")).to_owned()
}
