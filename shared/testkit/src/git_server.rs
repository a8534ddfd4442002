//! Git's own HTTP backend behind a small server that runs it as CGI, counts, and fails when it is told to.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;

/// What the server does instead of answering.
#[derive(Debug, Clone, PartialEq)]
pub enum GitFault {
    /// Answers with this status and header.
    Status(u16, Option<(&'static str, &'static str)>),
    /// Answers with so many bytes and then closes the connection.
    CutAfter(usize),
    /// Answers with an HTML page.
    Page,
}

/// Serves the repository `r.git` of a folder, or every repository below it, as long as the test runs.
#[derive(Debug, Clone)]
pub struct GitServer {
    /// The address of `r.git`.
    pub url: String,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    token: Option<&'static str>,
    requests: AtomicU64,
    bytes: AtomicU64,
    fault: Mutex<Option<GitFault>>,
    /// Whether clients may ask for version 2 of the protocol.
    is_old: bool,
}

impl GitServer {
    /// Starts a server for the repositories of a folder. With a token, which is `user:secret` in Base64, it wants that.
    pub async fn start(folder: PathBuf, token: Option<&'static str>) -> Self {
        Self::start_as(folder, token, false).await
    }

    /// Starts a server that may be too old for version 2 of the protocol.
    pub async fn start_as(folder: PathBuf, token: Option<&'static str>, is_old: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/r.git", listener.local_addr().unwrap());
        let (requests, bytes, fault) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::default());
        let shared = Arc::new(Shared { folder, token, requests, bytes, fault, is_old });
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared }
    }

    /// The requests and the bytes of the answers since this was asked before.
    pub fn take_counts(&self) -> (u64, u64) {
        (self.shared.requests.swap(0, Ordering::SeqCst), self.shared.bytes.swap(0, Ordering::SeqCst))
    }

    /// Every request fails like this from now on.
    pub fn set_fault(&self, fault: Option<GitFault>) {
        *self.shared.fault.lock().unwrap() = fault;
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    shared.requests.fetch_add(1, Ordering::SeqCst);
    if let Some(token) = shared.token {
        // "x-access-token:" and the token.
        let expected = format!("Basic {token}");
        if request
            .headers()
            .get(header::AUTHORIZATION)
            .is_none_or(|sent| sent.as_bytes() != expected.as_bytes())
        {
            return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic")]).into_response();
        }
    }
    let fault = shared.fault.lock().unwrap().clone();
    match fault {
        Some(GitFault::Status(status, header)) => {
            let mut response = StatusCode::from_u16(status).unwrap().into_response();
            if let Some((name, value)) = header {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            return response;
        }
        Some(GitFault::Page) => return axum::response::Html("<html>Please log in</html>").into_response(),
        Some(GitFault::CutAfter(_)) | None => {}
    }
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let (status, headers, body) =
        run_git_backend(&shared.folder, shared.is_old, &parts.method, &parts.uri, &parts.headers, &body)
            .await;
    shared.bytes.fetch_add(body.len() as u64, Ordering::SeqCst);
    let body = match fault {
        Some(GitFault::CutAfter(length)) if length < body.len() => {
            let pieces = [Ok(body.slice(..length)), Err(std::io::Error::other("cut"))];
            Body::from_stream(futures_util::stream::iter(pieces))
        }
        _ => Body::from(body),
    };
    (status, headers, body).into_response()
}

/// Runs the backend. An old one does not know version 2 of the protocol.
pub async fn run_git_backend(
    folder: &Path,
    is_old: bool,
    method: &axum::http::Method,
    uri: &axum::http::Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> (StatusCode, HeaderMap, Bytes) {
    let text = |name: header::HeaderName| headers.get(name).map_or("", |value| value.to_str().unwrap());
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_PROJECT_ROOT", folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", method.as_str())
        .env("PATH_INFO", uri.path())
        .env("QUERY_STRING", uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", text(header::CONTENT_TYPE))
        .env("CONTENT_LENGTH", body.len().to_string());
    if !is_old {
        command.env("GIT_PROTOCOL", text(header::HeaderName::from_static("git-protocol")));
    }
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // The program may end without reading everything.
    let (_, output) = tokio::join!(async move { input.write_all(body).await }, child.wait_with_output());
    let output = output.unwrap().stdout;
    let Some(end) = output.windows(4).position(|window| window == b"\r\n\r\n") else {
        return (StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new(), Bytes::new());
    };
    let (mut status, mut parsed) = (StatusCode::OK, HeaderMap::new());
    for line in str::from_utf8(&output[..end]).unwrap().lines() {
        let (name, value) = line.split_once(": ").unwrap();
        match name {
            "Status" => status = value[..3].parse().unwrap(),
            name => drop(parsed.insert(name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap())),
        }
    }
    (status, parsed, Bytes::copy_from_slice(&output[end + 4..]))
}
