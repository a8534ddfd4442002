//! Retries, sessions and paging, against a server in the test that fails as real ones do.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test, as tests do")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use client::{Client, ClientError, Credentials, RetryPolicy, Session, SessionStore, Transport};
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};

/// A request as the server received it.
#[derive(Debug, Clone)]
struct Received {
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// An answer: status, `Retry-After`, body.
type Answer = (u16, Option<&'static str>, Value);

/// Gives the answers in turn and remembers the requests.
#[derive(Clone)]
struct Server {
    url: String,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Server {
    async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/stage", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        let server = Self { url, answers, received: Arc::default() };
        let router = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        server
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    fn client(&self, credentials: Credentials) -> Client {
        Client::builder(&self.url).credentials(credentials).retry(quick()).build().unwrap()
    }
}

async fn answer(State(server): State<Server>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let target = format!("{} {}", parts.method, parts.uri);
    server.received.lock().unwrap().push(Received { target, headers: parts.headers, body });
    let (status, retry_after, body) =
        server.answers.lock().unwrap().pop_front().expect("the client sends no more requests than expected");
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
    if let Some(seconds) = retry_after {
        response = response.header("retry-after", seconds);
    }
    response.body(Body::from(body.to_string())).unwrap()
}

/// Pauses that do not slow the tests down.
fn quick() -> RetryPolicy {
    RetryPolicy {
        attempts: 3,
        first_pause: Duration::from_millis(1),
        last_pause: Duration::from_millis(2),
        longest_pause: Duration::from_secs(5),
    }
}

fn key() -> Credentials {
    Credentials::ApiKey("smtk_1".to_owned())
}

fn problem(status: u16) -> Value {
    json!({ "status": status, "title": "T", "detail": "what to do", "request_id": "r-1" })
}

fn source() -> Value {
    json!({ "items": [{
        "id": 1, "source_type": "git", "source_path": "https://example.org/a.git", "document_count": 2,
        "last_run_started_at": null, "last_run_status": null, "last_error": null,
    }], "total": 101 })
}

#[tokio::test]
async fn a_request_is_sent_again_after_the_pause_that_the_server_asks_for_with_the_same_key() {
    let server = Server::start([
        (503, Some("1"), problem(503)),
        (429, Some("0"), Value::Null),
        (202, None, json!({})),
    ])
    .await;
    let started = std::time::Instant::now();
    let id = uuid::Uuid::nil().into();
    server.client(key()).sync(id).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
    let received = server.received();
    assert_eq!(received.len(), 3);
    for request in &received {
        assert_eq!(request.target, format!("POST /stage/api/v2/collections/{id}/sync/run"));
        assert_eq!(request.header("authorization"), "Bearer smtk_1");
        assert_eq!(request.header("idempotency-key"), received[0].header("idempotency-key"));
    }
    assert_eq!(received[0].header("idempotency-key").len(), 36);
}

#[tokio::test]
async fn what_does_not_pass_is_an_error_with_the_problem_document() {
    let server = Server::start([(422, None, problem(422))]).await;
    let error = server.client(key()).me().await.unwrap_err();
    assert_eq!((error.status(), error.to_string()), (Some(422), "what to do".to_owned()));

    let server = Server::start(std::iter::repeat_n((503, None, problem(503)), 4)).await;
    let error = server.client(key()).me().await.unwrap_err();
    assert_eq!(error.to_string(), "what to do (status 503, request r-1)");
    assert_eq!(server.received().len(), 4);

    let server = Server::start([(503, Some("60"), problem(503))]).await;
    server.client(key()).me().await.unwrap_err();
    assert_eq!(server.received().len(), 1, "longer than the client waits");

    let server = Server::start([(404, None, json!("no API"))]).await;
    let error = server.client(key()).me().await.unwrap_err().to_string();
    assert!(error.contains("/stage/api/auth/me does not answer as Semantik's API does"), "{error}");

    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = Client::builder(format!("http://{unused}")).retry(quick()).build().unwrap();
    let error = client.me().await.unwrap_err();
    assert!(matches!(&error, ClientError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn urls_that_cannot_be_used_are_refused() {
    for url in ["", "localhost", "ftp://a", "https://a/?b", "https://user:secret@a"] {
        let error = Transport::new(url).unwrap_err().to_string();
        assert!(error.contains("an http or https URL without user and query allowed"), "{error}");
    }
    assert_eq!(Transport::new("https://a/prod/").unwrap().base_url(), "https://a/prod");
}

#[tokio::test]
async fn lists_are_read_to_their_end() {
    let server = Server::start([(200, None, source()), (200, None, source())]).await;
    let id = uuid::Uuid::nil().into();
    let sources: Vec<_> = server.client(key()).sources(id).try_collect().await.unwrap();
    assert_eq!(sources.len(), 2);
    let targets: Vec<String> = server.received().into_iter().map(|request| request.target).collect();
    assert!(
        targets[0].ends_with("offset=0&limit=100") && targets[1].ends_with("offset=100&limit=100"),
        "{targets:?}"
    );
}

/// A store in memory.
#[derive(Default)]
struct Memory(Mutex<Option<Session>>);

impl SessionStore for Memory {
    fn lock(&self) -> Result<Box<dyn Send>, ClientError> {
        Ok(Box::new(()))
    }

    fn load(&self) -> Result<Option<Session>, ClientError> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn save(&self, session: Option<&Session>) -> Result<(), ClientError> {
        *self.0.lock().unwrap() = session.cloned();
        Ok(())
    }
}

fn tokens(n: u32) -> Value {
    json!({ "access_token": format!("access-{n}"), "refresh_token": format!("refresh-{n}"), "expires_in": 900 })
}

fn user(store: &Arc<Memory>, password: Option<&str>) -> Credentials {
    let password = password.map(|password| ("ada".to_owned(), password.to_owned()));
    Credentials::User { store: Some(Arc::clone(store) as Arc<dyn SessionStore>), password }
}

#[tokio::test]
async fn a_session_begins_with_the_password_and_is_kept() {
    let store = Arc::new(Memory::default());
    let ok = || (200, None, json!({}));
    let server = Server::start([(200, None, tokens(1)), ok(), ok()]).await;
    server.client(user(&store, Some("secret"))).me().await.unwrap();
    server.client(user(&store, None)).me().await.unwrap();
    let received = server.received();
    assert_eq!(received[0].body, json!({ "username": "ada", "password": "secret" }).to_string());
    assert_eq!(received[0].header("authorization"), "");
    assert_eq!(received[1].header("authorization"), "Bearer access-1");
    assert_eq!(received[2].header("authorization"), "Bearer access-1");
}

#[tokio::test]
async fn an_access_token_is_renewed_before_it_ends_and_when_it_is_refused() {
    let store = Arc::new(Memory::default());
    let old =
        Session { access_token: "access-0".to_owned(), refresh_token: "refresh-0".to_owned(), expires_at: 0 };
    store.save(Some(&old)).unwrap();
    let answers = [
        (200, None, tokens(1)),
        (200, None, json!({})),
        (401, None, problem(401)),
        (200, None, tokens(2)),
        (200, None, json!({})),
    ];
    let server = Server::start(answers).await;
    let client = server.client(user(&store, None));
    client.me().await.unwrap();
    client.me().await.unwrap();
    let received = server.received();
    assert_eq!(received[0].body, json!({ "refresh_token": "refresh-0" }).to_string());
    let used: Vec<&str> = received.iter().map(|request| request.header("authorization")).collect();
    assert_eq!(used, ["", "Bearer access-1", "Bearer access-1", "", "Bearer access-2"]);
    assert_eq!(store.load().unwrap().unwrap().refresh_token, "refresh-2");
}

#[tokio::test]
async fn a_session_that_has_ended_is_forgotten() {
    let store = Arc::new(Memory::default());
    let old =
        Session { access_token: "access-0".to_owned(), refresh_token: "refresh-0".to_owned(), expires_at: 0 };
    store.save(Some(&old)).unwrap();
    let server = Server::start([(401, None, problem(401))]).await;
    let error = server.client(user(&store, None)).me().await.unwrap_err();
    assert!(matches!(&error, ClientError::NotSignedIn(_)), "{error}");
    assert_eq!(store.load().unwrap(), None);

    // A key that is not accepted is not signed in, either.
    let server = Server::start([(401, None, problem(401))]).await;
    let error = server.client(key()).me().await.unwrap_err();
    assert!(matches!(&error, ClientError::NotSignedIn(_)), "{error}");
}

#[tokio::test]
async fn content_is_put_until_the_bucket_has_it() {
    let server =
        Server::start([(503, None, Value::Null), (412, None, Value::Null), (403, None, Value::Null)]).await;
    let upload = serde_json::from_value(json!({
        "id": uuid::Uuid::nil(), "name": "a.txt", "url": format!("{}/bucket?signature=s", server.url),
        "headers": { "host": "elsewhere", "content-length": "3", "x-amz-meta-upload": "u" },
        "expires_at": "2030-01-01T00:00:00Z",
    }))
    .unwrap();
    let client = server.client(key());
    let body = async || Ok(client::Body::from("abc"));
    client.put_content(&upload, 3, body).await.unwrap();
    let received = server.received();
    assert_eq!(received.len(), 2, "412 after a failed attempt means that it had arrived");
    assert_eq!(received[1].body, "abc");
    assert_eq!((received[1].header("content-length"), received[1].header("x-amz-meta-upload")), ("3", "u"));
    assert_eq!(received[1].header("authorization"), "", "the signature is in the URL");
    assert!(received[1].header("host").starts_with("127.0.0.1"));
    let error = client.put_content(&upload, 3, body).await.unwrap_err().to_string();
    assert_eq!(error, r#"the bucket refused "a.txt" with status 403 Forbidden: no reason was given"#);
}
