//! `semantik upload` behind a proxy that fails, killed again and again: every file is indexed once.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use testkit::{Stack, TestUser, http_client};

use crate::command_line::binary;

/// Files of an ordinary run; `UPLOAD_FILES=2000` is the trial of docs/benchmarks.md.
const FILES: usize = 100;
/// Of 100 requests, those that the proxy answers with 503.
const FAULTS_PER_CENT: usize = 15;
/// Larger than every file here.
const MAX_BYTES: usize = 16 << 20;

/// An HTTP proxy, by `HTTP_PROXY`, in front of the API and the bucket.
#[derive(Clone, Default)]
struct Proxy {
    http: reqwest::Client,
    requests: Arc<AtomicUsize>,
    faults: Arc<AtomicUsize>,
    /// PUT requests that the bucket accepted.
    puts: Arc<AtomicUsize>,
}

impl Proxy {
    async fn start() -> (Self, String) {
        let proxy = Self { http: http_client().no_proxy().build().unwrap(), ..Self::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(forward).with_state(proxy.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (proxy, url)
    }
}

async fn forward(State(proxy): State<Proxy>, request: Request) -> Response {
    let number = proxy.requests.fetch_add(1, Ordering::Relaxed);
    // Spread evenly: 0, 7, 14, 20, … of 100.
    if number * FAULTS_PER_CENT % 100 < FAULTS_PER_CENT {
        let faults = proxy.faults.fetch_add(1, Ordering::Relaxed);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        if faults % 2 == 0 {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        return response;
    }
    let (parts, body) = request.into_parts();
    let is_put = parts.method == Method::PUT;
    let body = axum::body::to_bytes(body, MAX_BYTES).await.unwrap();
    let sent = proxy.http.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body);
    let Ok(answer) = sent.send().await else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        return response;
    };
    proxy.puts.fetch_add(usize::from(is_put && answer.status().is_success()), Ordering::Relaxed);
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if name != header::TRANSFER_ENCODING && name != header::CONTENT_LENGTH {
            response = response.header(name, value);
        }
    }
    response.body(Body::from(answer.bytes().await.unwrap_or_default())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_is_indexed_once_whatever_fails_and_whoever_is_killed() {
    let files = files();
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let (proxy, proxy_url) = Proxy::start().await;
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("docs")).unwrap();
    for number in 0..files {
        let text =
            format!("Note {number}: the tide gauge of harbour {number} reads {} cm.", number * 7 % 500);
        std::fs::write(home.path().join(format!("docs/{number:05}.txt")), text).unwrap();
    }
    let start = || -> Child {
        let mut command = Command::new(binary());
        command.args(["upload", "docs", "-c", &collection, "--wait", "--json"]);
        command.current_dir(home.path()).env_clear().env("HOME", home.path()).env("HTTP_PROXY", &proxy_url);
        command.env("SEMANTIK_URL", &stack.api_url);
        command.env("SEMANTIK_USERNAME", &user.username).env("SEMANTIK_PASSWORD", &user.password);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };

    let started = std::time::Instant::now();
    for part in [files / 3, files * 2 / 3] {
        let mut child = start();
        while proxy.puts.load(Ordering::Relaxed) < part {
            assert_eq!(child.try_wait().unwrap(), None, "it ended before it was killed");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let report = finish(start()).await;
    let (puts, faults) = (proxy.puts.load(Ordering::Relaxed), proxy.faults.load(Ordering::Relaxed));
    let requests = proxy.requests.load(Ordering::Relaxed);
    eprintln!("{files} files, {puts} PUTs, {faults} of {requests} requests failed, {:?}", started.elapsed());
    assert!(faults * 100 >= requests * (FAULTS_PER_CENT - 1), "{faults} faults of {requests} requests");
    assert_eq!((&report["not_uploaded"], &report["not_indexed"]), (&json!([]), &json!([])), "{report}");
    let sent = report["uploaded"].as_u64().unwrap() + report["unchanged"].as_u64().unwrap();
    assert_eq!(sent, u64::try_from(files).unwrap(), "{report}");
    // What was not yet remembered when the process was killed is sent again: half a second of files.
    assert!(puts < files * 2, "{puts} PUTs of {files} files");

    let indexed = user.get(&format!("/api/v2/collections/{collection}")).await.expect(200);
    assert_eq!(
        (&indexed["document_count"], &indexed["vector_count"]),
        (&json!(files), &json!(files)),
        "{indexed}"
    );
    let path = format!("/api/v2/collections/{collection}/documents?status=completed");
    assert_eq!(user.get(&path).await.expect(200)["total"], json!(files));

    let report = finish(start()).await;
    assert_eq!((&report["uploaded"], &report["unchanged"]), (&json!(0), &json!(files)), "{report}");
    assert_eq!(proxy.puts.load(Ordering::Relaxed), puts, "nothing was sent");
}

/// Waits for the end of a run that succeeds; returns its report.
async fn finish(child: Child) -> Value {
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap();
    let (printed, remarks) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{printed}{remarks}");
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

#[expect(clippy::disallowed_methods, reason = "the trial of the benchmarks is this test with more files")]
fn files() -> usize {
    std::env::var("UPLOAD_FILES").map_or(FILES, |files| files.parse().expect("UPLOAD_FILES is a number"))
}
