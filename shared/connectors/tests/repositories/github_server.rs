//! GitHub as its documentation describes it: REST lists with pages, `since` and ETags, GraphQL discussions, rate limits.
//! Repositories are served by git itself.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use testkit::{GitRepository, run_git_backend};

pub(crate) const TOKEN: &str = "ghp_token";

/// What the server does instead of answering the API.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) message: &'static str,
}

/// One repository `o/r` and its threads.
#[derive(Clone)]
pub(crate) struct Github {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    folder: std::path::PathBuf,
    data: Mutex<Data>,
    /// Of the API: method, path and query, and the status.
    requests: Mutex<Vec<(String, u16)>>,
    refusal: Mutex<Option<Refusal>>,
}

#[derive(Default)]
pub(crate) struct Data {
    pub(crate) issues: Vec<Value>,
    /// With `issue_url` or `pull_request_url`.
    pub(crate) comments: Vec<Value>,
    pub(crate) review_comments: Vec<Value>,
    pub(crate) reviews: Vec<Value>,
    pub(crate) discussions: Vec<Value>,
    /// A `Link` header for the next page of everything.
    pub(crate) link: Option<String>,
}

impl Github {
    pub(crate) async fn start(repository: &GitRepository) -> Self {
        let folder = repository.folder.path().to_owned();
        // r.git is o/r.git, too.
        std::os::unix::fs::symlink(".", folder.join("o")).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { folder, ..Shared::default() });
        let router = Router::new()
            .route("/api/v3/{*path}", get(rest))
            .route("/api/graphql", post(graphql))
            .fallback(git)
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared }
    }

    pub(crate) fn api_url(&self) -> String {
        format!("{}/api/v3", self.url)
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Data) -> T) -> T {
        change(&mut self.shared.data.lock().unwrap())
    }

    pub(crate) fn set_refusal(&self, refusal: Option<Refusal>) {
        *self.shared.refusal.lock().unwrap() = refusal;
    }

    /// The requests to the API since this was asked before.
    pub(crate) fn take_requests(&self) -> Vec<(String, u16)> {
        std::mem::take(&mut self.shared.requests.lock().unwrap())
    }
}

/// A time of the API, so many minutes ago.
pub(crate) fn ago(minutes: i64) -> String {
    (Utc::now() - TimeDelta::minutes(minutes)).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(crate) fn issue(number: u64, updated_at: &str) -> Value {
    json!({
        "number": number, "title": format!("Title {number}"), "body": format!("Body of {number}"), "state": "open",
        "html_url": format!("https://github.com/o/r/issues/{number}"), "user": { "login": "grace", "id": 1 },
        "labels": [{ "id": 7, "name": "good first issue", "color": "fff" }], "milestone": { "title": "1.0" },
        "comments": 0, "created_at": "2026-01-02T03:04:05Z", "updated_at": updated_at, "closed_at": null,
        "locked": false, "author_association": "MEMBER",
    })
}

pub(crate) fn discussion(number: u64, updated_at: &str, comments: Vec<Value>) -> Value {
    json!({
        "number": number, "title": format!("Question {number}"), "body": "How?", "createdAt": "2026-01-02T03:04:05Z",
        "updatedAt": updated_at, "closed": false, "closedAt": null, "isAnswered": true, "author": null,
        "category": { "name": "Q&A" }, "labels": { "nodes": [] },
        "comments": {
            "totalCount": comments.len(), "nodes": comments,
            "pageInfo": { "hasNextPage": false, "endCursor": null },
        },
    })
}

async fn rest(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let url = request.uri().to_string();
    let response = match refuse(&shared, request.headers()) {
        Some(refused) => refused,
        None => rest_answer(&shared, &request),
    };
    shared.requests.lock().unwrap().push((url, response.status().as_u16()));
    response
}

fn refuse(shared: &Shared, headers: &HeaderMap) -> Option<Response> {
    if let Some(refusal) = shared.refusal.lock().unwrap().clone() {
        let body =
            Json(json!({ "message": refusal.message, "documentation_url": "https://docs.github.com/rest" }));
        let mut response = (StatusCode::from_u16(refusal.status).unwrap(), body).into_response();
        for (name, value) in refusal.headers {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        return Some(response);
    }
    let sent = headers.get(header::AUTHORIZATION)?;
    let is_known = sent.as_bytes() == format!("Bearer {TOKEN}").as_bytes();
    (!is_known)
        .then(|| (StatusCode::UNAUTHORIZED, Json(json!({ "message": "Bad credentials" }))).into_response())
}

fn rest_answer(shared: &Shared, request: &Request) -> Response {
    let data = shared.data.lock().unwrap();
    let host = request.headers()[header::HOST].to_str().unwrap();
    let segments: Vec<&str> = request.uri().path().split('/').skip(3).collect();
    let ["repos", "o", "r", rest @ ..] = segments.as_slice() else { return not_found() };
    let of = |list: &[Value], number: &str, field: &str| -> Vec<Value> {
        let ends = format!("/{number}");
        list.iter().filter(|item| item[field].as_str().unwrap().ends_with(&ends)).cloned().collect()
    };
    let list = match rest {
        ["issues"] => data.issues.clone(),
        ["issues", "comments"] => data.comments.clone(),
        ["pulls", "comments"] => data.review_comments.clone(),
        ["issues", number, "comments"] => of(&data.comments, number, "issue_url"),
        ["pulls", number, "comments"] => of(&data.review_comments, number, "pull_request_url"),
        ["pulls", number, "reviews"] => of(&data.reviews, number, "pull_request_url"),
        ["issues", number] => {
            let found = data.issues.iter().find(|issue| issue["number"].as_u64() == number.parse().ok());
            return found.map_or_else(not_found, |issue| Json(issue.clone()).into_response());
        }
        _ => return not_found(),
    };
    let mut response = page(list, request, host);
    if let Some(link) = &data.link {
        response.headers_mut().insert(header::LINK, link.parse().unwrap());
    }
    response
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "message": "Not Found" }))).into_response()
}

/// Filters, sorts and cuts a list as its query asks.
fn page(mut list: Vec<Value>, request: &Request, host: &str) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let number = |name, default: usize| parameter(name).map_or(default, |text| text.parse().unwrap());
    if let Some(since) = parameter("since") {
        let since: DateTime<Utc> = since.parse().unwrap();
        list.retain(|item| item["updated_at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap() >= since);
    }
    let key = if parameter("sort") == Some("updated") { "updated_at" } else { "created_at" };
    list.sort_by_key(|item| item[key].as_str().map(str::to_owned));
    let (size, number) = (number("per_page", 30).min(100), number("page", 1));
    let rest = list.len().saturating_sub(size * number);
    let page: Vec<Value> = list.into_iter().skip(size * (number - 1)).take(size).collect();
    let body = serde_json::to_string(&page).unwrap();
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    let etag = format!("W/\"{:x}\"", hasher.finish());
    if request.headers().get(header::IF_NONE_MATCH).is_some_and(|sent| sent.as_bytes() == etag.as_bytes()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let mut response =
        ([(header::CONTENT_TYPE, "application/json"), (header::ETAG, &etag)], body).into_response();
    if rest > 0 {
        let others: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("page=")).collect();
        let url = format!("http://{host}{}?{}&page={}", request.uri().path(), others.join("&"), number + 1);
        let link = format!("<{url}>; rel=\"next\", <{url}>; rel=\"last\"");
        response.headers_mut().insert(header::LINK, link.parse().unwrap());
    }
    response
}

async fn graphql(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    let response = match refuse(&shared, &headers) {
        Some(refused) => refused,
        None => Json(graphql_answer(&shared, &request)).into_response(),
    };
    shared.requests.lock().unwrap().push(("graphql".to_owned(), response.status().as_u16()));
    response
}

fn graphql_answer(shared: &Shared, request: &Value) -> Value {
    let data = shared.data.lock().unwrap();
    let variables = &request["variables"];
    if (variables["owner"].as_str(), variables["name"].as_str()) != (Some("o"), Some("r")) {
        return json!({ "data": { "repository": null }, "errors": [{ "type": "NOT_FOUND", "message": "Could not resolve to a Repository" }] });
    }
    if variables["number"].is_u64() {
        let found = data.discussions.iter().find(|discussion| discussion["number"] == variables["number"]);
        return match found {
            Some(found) => json!({ "data": { "repository": { "discussion": found } } }),
            None => {
                json!({ "data": null, "errors": [{ "type": "NOT_FOUND", "message": "Could not resolve" }] })
            }
        };
    }
    let mut list = data.discussions.clone();
    match variables["field"].as_str().unwrap() {
        "UPDATED_AT" => {
            list.sort_by_key(|item| std::cmp::Reverse(item["updatedAt"].as_str().map(str::to_owned)))
        }
        _ => list.sort_by_key(|item| item["createdAt"].as_str().map(str::to_owned)),
    }
    let begin: usize = variables["after"].as_str().map_or(0, |after| after.parse().unwrap());
    let end = begin + usize::try_from(variables["count"].as_u64().unwrap()).unwrap();
    let has_next = end < list.len();
    let mut nodes: Vec<Value> = list.into_iter().skip(begin).take(end - begin).collect();
    // As asked for: only how many comments there are.
    for node in &mut nodes {
        node["comments"] = json!({ "totalCount": node["comments"]["totalCount"] });
    }
    let page_info = json!({ "hasNextPage": has_next, "endCursor": end.to_string() });
    json!({ "data": { "repository": { "discussions": { "pageInfo": page_info, "nodes": nodes } } } })
}

async fn git(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let answer =
        run_git_backend(&shared.folder, false, &parts.method, &parts.uri, &parts.headers, &body).await;
    shared.requests.lock().unwrap().push(("git".to_owned(), answer.0.as_u16()));
    answer.into_response()
}
