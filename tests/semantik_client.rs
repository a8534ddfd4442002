//! A client of Semantik's v2 API works here without a change.
//!
//! It uses the paths, parameters and fields that v2 documents, and nothing specific to this implementation. Where
//! it accepts two forms of a response, v2's documentation and v2's code differ.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::{Stack, http_client, unique};

const PASSWORD: &str = "four unrelated words";

/// The state of a v2 client: a base URL and a token, which may be an API key.
#[derive(Clone)]
struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    fn new(base: &str) -> Self {
        Self { http: http_client().build().unwrap(), base: base.to_owned(), token: String::new() }
    }

    /// Returns a client of the same base URL with another token.
    fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    async fn request(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if !self.token.is_empty() {
            request = request.header("Authorization", format!("Bearer {}", self.token));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let bytes = response.bytes().await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    #[track_caller]
    fn ok(method: &Method, path: &str, status: StatusCode, body: Value) -> Value {
        assert!(status.is_success(), "{method} {path}: {status} {body}");
        body
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.request(Method::GET, path, None).await;
        Self::ok(&Method::GET, path, status, body)
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, body) = self.request(Method::POST, path, Some(body)).await;
        Self::ok(&Method::POST, path, status, body)
    }

    async fn patch(&self, path: &str, body: Value) -> Value {
        let (status, body) = self.request(Method::PATCH, path, Some(body)).await;
        Self::ok(&Method::PATCH, path, status, body)
    }

    async fn delete(&self, path: &str) -> Value {
        let (status, body) = self.request(Method::DELETE, path, None).await;
        Self::ok(&Method::DELETE, path, status, body)
    }

    /// Polls an operation until it has ended, as v2's clients do.
    async fn poll(&self, operation: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(180);
        loop {
            let operation = self.get(&format!("/api/v2/operations/{operation}")).await;
            has(
                &operation,
                "id collection_id type status config error_message created_at started_at completed_at",
            );
            if !["pending", "processing"].contains(&text(&operation, "status")) {
                return operation;
            }
            assert!(Instant::now() < deadline, "{operation}");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}

/// Checks that every field that v2 documents exists.
#[track_caller]
fn has(value: &Value, fields: &str) {
    for field in fields.split_whitespace() {
        assert!(value.get(field).is_some(), "{field} is missing: {value}");
    }
}

#[track_caller]
fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{field} is not a string: {value}"))
}

#[track_caller]
fn rows<'a>(value: &'a Value, field: &str) -> &'a Vec<Value> {
    value[field].as_array().unwrap_or_else(|| panic!("{field} is not an array: {value}"))
}

/// Registers and signs in as v2 documents it.
async fn sign_in(anonymous: &Client) -> (Client, Value) {
    let username = unique("v2").replace('-', "_");
    let account = json!({
        "username": username, "email": format!("{username}@example.org"),
        "password": PASSWORD, "full_name": "A v2 client",
    });
    let user = anonymous.post("/api/auth/register", account).await;
    has(&user, "id username email full_name is_active is_superuser created_at updated_at last_login");
    let tokens =
        anonymous.post("/api/auth/login", json!({ "username": username, "password": PASSWORD })).await;
    assert_eq!(text(&tokens, "token_type"), "bearer");
    let client = anonymous.with_token(text(&tokens, "access_token"));
    let me = client.get("/api/auth/me").await;
    assert_eq!((&me["id"], text(&me, "username")), (&user["id"], username.as_str()));
    (client, tokens)
}

/// Creates a collection and waits until it is ready.
async fn collection(client: &Client) -> String {
    let new = json!({
        "name": unique("v2 notes"), "description": "Made by a v2 client.", "quantization": "float16",
        "is_public": false, "metadata": { "team": "docs" },
    });
    let created = client.post("/api/v2/collections", new.clone()).await;
    has(
        &created,
        "id name description owner_id vector_store_name embedding_model quantization chunk_size \
         chunk_overlap chunking_strategy chunking_config is_public metadata status status_message \
         document_count vector_count total_size_bytes error_count sync_mode sync_interval_minutes \
         created_at updated_at initial_operation_id",
    );
    assert_eq!((&created["name"], &created["metadata"]), (&new["name"], &new["metadata"]));
    let set_up = client.poll(text(&created, "initial_operation_id")).await;
    assert_eq!((text(&set_up, "type"), text(&set_up, "status")), ("index", "completed"));
    text(&created, "id").to_owned()
}

/// Creates a directory with files of known content that the installation may read.
fn folder(stack: &Stack) -> std::path::PathBuf {
    let folder = std::path::Path::new(&stack.directory_root).join(unique("v2"));
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    let files = [
        ("tides.txt", "The tide rises twice a day because of the Moon's pull."),
        ("sub/bread.md", "# Bread\n\nA sourdough starter is flour, water and wild yeast."),
    ];
    for (name, content) in files {
        std::fs::write(folder.join(name), content).unwrap();
    }
    folder
}

#[tokio::test]
async fn a_v2_client_goes_from_an_account_to_search_results() {
    let stack = Stack::from_env();
    let anonymous = Client::new(&stack.api_url);
    let (client, _) = sign_in(&anonymous).await;
    let id = collection(&client).await;
    let base = format!("/api/v2/collections/{id}");

    let listed = client.get("/api/v2/collections?page=1&per_page=100&include_public=true").await;
    has(&listed, "collections total page per_page");
    assert!(rows(&listed, "collections").iter().any(|row| row["id"] == id.as_str()));

    // Once by type and configuration, once in the older form.
    let folder = folder(&stack);
    let source = json!({
        "source_type": "directory", "source_config": { "path": folder.join("sub"), "recursive": true },
    });
    let started = client.post(&format!("{base}/sources"), source).await;
    let added = client.poll(text(&started, "id")).await;
    assert_eq!((text(&added, "type"), text(&added, "status")), ("append", "completed"), "{added}");
    let started = client.post(&format!("{base}/sources"), json!({ "source_path": folder })).await;
    assert_eq!(text(&client.poll(text(&started, "id")).await, "status"), "completed");
    let sources = client.get(&format!("{base}/sources?offset=0&limit=10")).await;
    assert_eq!((rows(&sources, "items").len(), &sources["total"]), (2, &json!(2)));
    has(
        &sources["items"][0],
        "id collection_id source_type source_path source_config document_count size_bytes \
         last_run_started_at last_run_completed_at last_run_status last_error last_indexed_at \
         has_password has_token has_ssh_key has_ssh_passphrase",
    );

    let operations = client.get(&format!("{base}/operations?status=completed&page=1&per_page=10")).await;
    assert_eq!(operations.as_array().map(Vec::len), Some(3), "{operations}");
    let mine = client.get("/api/v2/operations?status=completed,failed&operation_type=append").await;
    has(&mine, "operations total page per_page");
    assert_eq!(mine["total"], 2, "{mine}");

    read_documents(&client, &base).await;
    search(&client, &id).await;
}

/// Lists, shows and downloads the documents of [`folder`].
async fn read_documents(client: &Client, base: &str) {
    let failed = client.get(&format!("{base}/documents/failed/count?retryable_only=true")).await;
    assert_eq!(failed, json!({ "transient": 0, "permanent": 0, "unknown": 0, "total": 0 }));

    let mut names = Vec::new();
    for page in 1..=4 {
        let path = format!("{base}/documents?page={page}&per_page=1&status=completed");
        let listed = client.get(&path).await;
        has(&listed, "documents total page per_page");
        assert_eq!(listed["page"], page);
        for document in rows(&listed, "documents") {
            has(
                document,
                "id collection_id file_name file_path file_size mime_type content_hash status \
                 error_message chunk_count retry_count last_retry_at error_category metadata created_at \
                 updated_at",
            );
            let one = format!("{base}/documents/{}", text(document, "id"));
            assert_eq!(client.get(&one).await["content_hash"], document["content_hash"]);
            names.push(text(document, "file_name").to_owned());
            let bytes = client.content(&format!("{one}/content")).await;
            assert_eq!(json!(bytes.len()), document["file_size"]);
        }
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names, ["bread.md", "tides.txt"]);
}

impl Client {
    async fn content(&self, path: &str) -> Vec<u8> {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        let response = request.send().await.unwrap().error_for_status().unwrap();
        response.bytes().await.unwrap().to_vec()
    }
}

/// Searches one collection with the fields that v2's own web pages send, by both routes.
async fn search(client: &Client, id: &str) {
    let question = json!({
        "query": "why does the sea rise", "collection_uuids": [id], "k": 5, "search_type": "semantic",
        "search_mode": "dense", "use_reranker": false, "score_threshold": 0.0, "include_content": true,
    });
    let found = client.post("/api/v2/search", question).await;
    has(
        &found,
        "query results total_results collections_searched search_type search_mode_used warnings \
         reranking_used reranker_model embedding_time_ms search_time_ms reranking_time_ms total_time_ms \
         hyde_used partial_failure failed_collections api_version",
    );
    has(
        &found["results"][0],
        "document_id chunk_id score original_score reranked_score text metadata file_name file_path \
         chunk_index total_chunks collection_id collection_name embedding_model",
    );
    assert_eq!(found["results"][0]["file_name"], "tides.txt", "{found}");
    // The path at which v2's assistant reads a chunk.
    let chunk_id = text(&found["results"][0], "chunk_id");
    let chunk = client.get(&format!("/api/v2/chunking/collections/{id}/chunks/{chunk_id}")).await;
    has(&chunk, "id collection_id document_id chunk_index content start_offset end_offset metadata");
    assert_eq!(chunk["content"], found["results"][0]["text"]);
    let single = json!({ "query": "wild yeast", "collection_id": id, "k": 1 });
    let found = client.post("/api/v2/search/single", single).await;
    assert_eq!((&found["total_results"], &found["results"][0]["file_name"]), (&json!(1), &json!("bread.md")));
}

#[tokio::test]
async fn a_v2_client_works_with_an_api_key_until_it_is_revoked() {
    let anonymous = Client::new(&Stack::from_env().api_url);
    let (client, _) = sign_in(&anonymous).await;
    let new = client
        .post("/api/v2/api-keys", json!({ "name": "ci", "scope": "write", "expires_in_days": 30 }))
        .await;
    has(&new, "id name is_active permissions last_used_at expires_at created_at api_key");
    let key = anonymous.with_token(text(&new, "api_key"));
    assert!(key.token.starts_with("smtk_"), "{new}");

    let id = collection(&key).await;
    assert_eq!(key.get(&format!("/api/v2/collections/{id}")).await["id"], id.as_str());
    let listed = client.get("/api/v2/api-keys").await;
    assert_eq!(listed["total"], 1);
    assert!(rows(&listed, "api_keys")[0].get("api_key").is_none(), "{listed}");

    let path = format!("/api/v2/api-keys/{}", text(&new, "id"));
    assert_eq!(client.patch(&path, json!({ "is_active": false })).await["is_active"], false);
    let (status, body) = key.request(Method::GET, "/api/v2/collections", None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(body["detail"].is_string(), "{body}");
    client.delete(&format!("/api/v2/collections/{id}")).await;
}

#[tokio::test]
async fn a_v2_client_stays_signed_in_and_signs_out() {
    let anonymous = Client::new(&Stack::from_env().api_url);
    let (client, tokens) = sign_in(&anonymous).await;
    let pair =
        anonymous.post("/api/auth/refresh", json!({ "refresh_token": text(&tokens, "refresh_token") })).await;
    has(&pair, "access_token refresh_token token_type");
    let client = client.with_token(text(&pair, "access_token"));
    client.get("/api/auth/me").await;

    let last = json!({ "refresh_token": text(&pair, "refresh_token") });
    has(&client.post("/api/auth/logout", last.clone()).await, "message");
    let (status, _) = anonymous.request(Method::POST, "/api/auth/refresh", Some(last)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

/// What Semantik's own MCP server (v0.8.2) asks for when an assistant calls each of its tools.
#[tokio::test]
async fn semantiks_mcp_server_reads_what_its_tools_need() {
    let stack = Stack::from_env();
    let anonymous = Client::new(&stack.api_url);
    let (client, _) = sign_in(&anonymous).await;
    let id = collection(&client).await;
    let base = format!("/api/v2/collections/{id}");
    let started = client.post(&format!("{base}/sources"), json!({ "source_path": folder(&stack) })).await;
    client.poll(text(&started, "id")).await;
    for (name, enabled) in [("handbook", true), ("draft", false)] {
        let new = json!({ "name": name, "collection_ids": [id], "enabled": enabled, "result_count": 1 });
        client.post("/api/v2/mcp/profiles", new).await;
    }
    let key = client.post("/api/v2/api-keys", json!({ "name": "assistant", "scope": "read" })).await;
    let server = anonymous.with_token(text(&key, "api_key"));

    // Its list of tools: one for each enabled profile.
    let listed = server.get("/api/v2/mcp/profiles?enabled=true").await;
    let profiles = rows(&listed, "profiles");
    assert_eq!((profiles.len(), text(&profiles[0], "name")), (1, "handbook"), "{listed}");
    let profile = &profiles[0];
    has(profile, "description enabled search_type use_reranker score_threshold search_mode rrf_k use_hyde");
    assert_eq!(rows(profile, "collections")[0]["id"], id.as_str());

    // search_handbook, with the settings of the profile.
    let question = json!({
        "collection_uuids": [profile["collections"][0]["id"]], "query": "why does the sea rise",
        "k": profile["result_count"], "search_type": profile["search_type"], "search_mode": profile["search_mode"],
        "rrf_k": 60, "use_reranker": profile["use_reranker"], "use_hyde": profile["use_hyde"],
        "score_threshold": 0.0, "include_content": true,
    });
    let found = server.post("/api/v2/search", question).await;
    let hit = &found["results"][0];
    assert_eq!((&found["total_results"], text(hit, "file_name")), (&json!(1), "tides.txt"), "{found}");

    // list_documents, get_document, get_document_content and get_chunk.
    let documents = server.get(&format!("{base}/documents?page=1&per_page=50&status=completed")).await;
    assert_eq!(rows(&documents, "documents").len(), 2);
    let one = format!("{base}/documents/{}", text(hit, "document_id"));
    assert_eq!(server.get(&one).await["file_name"], "tides.txt");
    assert!(server.content(&format!("{one}/content")).await.starts_with(b"The tide rises"));
    let chunk = format!("/api/v2/chunking/collections/{id}/chunks/{}", text(hit, "chunk_id"));
    assert_eq!(server.get(&chunk).await["content"], hit["text"]);
}
