//! The routes: the page, and the files that it loads.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, header};
use lambda::http::{ApiError, ApiPath};

use crate::assets::{self, Asset};
use crate::config::Config;

/// Files are at a path with the version of all of them, so that browsers never ask for one again.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";
/// The page names that version, so browsers always ask for it.
const REVALIDATED: &str = "no-cache";

/// What every response needs.
struct Console {
    page: String,
    version: String,
    policy: HeaderValue,
}

/// Returns the router of the console function.
pub fn router(config: &Config) -> Router {
    let version = assets::version();
    let console = Console { page: page(&version), policy: policy(config), version };
    Router::new()
        .route("/", get(show_page))
        .route("/console/{version}/{*path}", get(show_asset))
        .with_state(Arc::new(console))
}

async fn show_page(State(console): State<Arc<Console>>, headers: HeaderMap) -> Response {
    let etag = format!("\"{}\"", console.version);
    let mut response =
        console.respond(&headers, "text/html; charset=utf-8", REVALIDATED, console.page.as_bytes());
    if let Ok(value) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

async fn show_asset(
    State(console): State<Arc<Console>>,
    ApiPath((version, path)): ApiPath<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let Asset { content_type, content, .. } =
        assets::find(&path).ok_or_else(|| ApiError::not_found("file", &path))?;
    // A page from before a deployment gets the file of now, and does not keep it.
    let caching = if version == console.version { IMMUTABLE } else { REVALIDATED };
    Ok(console.respond(&headers, content_type, caching, content))
}

impl Console {
    fn respond(
        &self,
        request: &HeaderMap,
        content_type: &'static str,
        caching: &'static str,
        content: &[u8],
    ) -> Response {
        let mut headers: HeaderMap = [
            (header::CONTENT_TYPE, content_type),
            (header::CACHE_CONTROL, caching),
            (header::VARY, "accept-encoding"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
        ]
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .into_iter()
        .collect();
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(
            "permissions-policy",
            HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
        );
        headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
        // API Gateway does not compress.
        match accepts_gzip(request).then(|| gzip(content)).flatten() {
            Some(compressed) => {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                (headers, compressed).into_response()
            }
            None => (headers, content.to_vec()).into_response(),
        }
    }
}

fn accepts_gzip(request: &HeaderMap) -> bool {
    let accepted =
        request.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip") && weight.trim() != "q=0"
    })
}

/// Returns nothing if memory cannot be written to, which does not happen.
fn gzip(content: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).ok()?;
    encoder.finish().ok()
}

/// Returns the page: all URLs are relative, because the API may be at a path of its host, and all modules are named, so
/// that the browser asks for them at once.
fn page(version: &str) -> String {
    let mut preloads = String::new();
    for asset in assets::all().iter().filter(|asset| asset.is_module()) {
        // Writing to a string does not fail.
        let _ =
            writeln!(preloads, "  <link rel=\"modulepreload\" href=\"console/{version}/{}\">", asset.path);
    }
    assets::PAGE.replace("{{version}}", version).replace("  {{preloads}}\n", &preloads)
}

/// Returns the content security policy: no inline script or style, nothing from other servers, and requests to the API
/// and the staging bucket only.
///
/// What documents contain is shown as text, as an image, or as a PDF document in a frame of its own (`blob:`).
fn policy(config: &Config) -> HeaderValue {
    let mut uploads = String::new();
    for url in &config.upload_urls {
        let _ = write!(uploads, " {url}");
    }
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
         connect-src 'self'{uploads}; frame-src blob:; object-src blob:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    // Upload URLs are ASCII. Without them, uploads fail, and nothing becomes less safe.
    HeaderValue::from_str(&policy)
        .unwrap_or(HeaderValue::from_static("default-src 'self'; frame-ancestors 'none'"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read as _;
    use std::path::Path;

    use axum::body::Body;
    use flate2::read::GzDecoder;
    use http::{Request, StatusCode};
    use http_body_util::BodyExt;
    use lambda::http::HttpConfig;
    use tower::ServiceExt;

    use super::*;

    async fn send(request: Request<Body>) -> (StatusCode, HeaderMap, Vec<u8>) {
        let upload_urls = vec!["https://staging.s3.eu-central-1.amazonaws.com".parse().unwrap()];
        let router = lambda::http::wrap(router(&Config { upload_urls }), &HttpConfig::default());
        let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes().to_vec())
    }

    async fn get_path(path: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
        send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// Returns the values of an attribute of all tags.
    fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
        html.split(&format!(" {name}=\"")).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
    }

    #[tokio::test]
    async fn the_page_has_relative_urls_of_existing_files_and_no_inline_code() {
        let (status, headers, body) = get_path("/").await;
        assert_eq!(
            (status, &headers[header::CONTENT_TYPE]),
            (StatusCode::OK, &"text/html; charset=utf-8".parse().unwrap())
        );
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        let page = String::from_utf8(body).unwrap();
        assert!(!page.contains("{{"), "{page}");
        let urls = [attributes(&page, "href"), attributes(&page, "src")].concat();
        assert!(urls.len() > 20, "{urls:?}");
        for url in urls {
            assert!(url.starts_with("console/"), "{url} is not relative");
            let (status, headers, _) = get_path(&format!("/{url}")).await;
            assert_eq!(status, StatusCode::OK, "{url}");
            assert_eq!(headers[header::CACHE_CONTROL], IMMUTABLE, "{url}");
        }
        let inline = page.split("<script").skip(1).filter(|rest| !rest.contains("></script>")).count();
        assert_eq!((inline, page.contains("<style"), page.contains(" on")), (0, false, false));
    }

    #[tokio::test]
    async fn every_response_has_the_strict_policy() {
        for path in ["/", "/console/any/app.js", "/console/any/style.css", "/console/any/icon.svg"] {
            let (status, headers, _) = get_path(path).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
            assert_eq!(
                headers[header::CONTENT_SECURITY_POLICY],
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self' \
                 https://staging.s3.eu-central-1.amazonaws.com; frame-src blob:; object-src blob:; base-uri 'none'; \
                 form-action 'none'; frame-ancestors 'none'"
            );
        }
    }

    #[test]
    fn every_file_is_listed_and_every_import_leads_to_one() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
        let mut files = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        let unlisted = files.iter().filter(|file| assets::find(file).is_none());
        let mut unlisted: Vec<&str> = unlisted.map(String::as_str).collect();
        unlisted.sort_unstable();
        assert_eq!(unlisted, ["index.html", "vendor/README.md"]);
        let mut imports = 0;
        for asset in assets::all().iter().filter(|asset| asset.is_module()) {
            let folder = Path::new(asset.path).parent().unwrap();
            let source = std::str::from_utf8(asset.content).unwrap();
            for import in
                source.split("from\"").chain(source.split("from \"")).filter(|part| part.starts_with('.'))
            {
                let path = folder.join(import.split('"').next().unwrap());
                let mut parts = Vec::new();
                for part in path.to_str().unwrap().split('/').filter(|part| *part != ".") {
                    if part == ".." {
                        parts.pop();
                    } else {
                        parts.push(part);
                    }
                }
                assert!(
                    assets::find(&parts.join("/")).is_some(),
                    "{} imports {}",
                    asset.path,
                    path.display()
                );
                imports += 1;
            }
        }
        assert!(imports > 50, "{imports}");
    }

    #[tokio::test]
    async fn other_paths_answer_404() {
        for path in [
            "/console/any/none.js",
            "/console/any/../Cargo.toml",
            "/console/any/%2e%2e/Cargo.toml",
            "/console/any/..%2fsrc%2flib.rs",
            "/console/any//etc/passwd",
            "/console/any/index.html",
            "/console/any/vendor",
            "/console/app.js",
            "/other",
        ] {
            let (status, headers, _) = get_path(path).await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
            assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json", "{path}");
        }
    }

    #[tokio::test]
    async fn files_are_compressed_for_clients_that_accept_it() {
        let (_, _, plain) = get_path("/console/any/app.js").await;
        let request = Request::get("/console/any/app.js").header(header::ACCEPT_ENCODING, "br, gzip;q=0.5");
        let (_, headers, compressed) = send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(headers[header::CONTENT_ENCODING], "gzip");
        let mut content = Vec::new();
        GzDecoder::new(&compressed[..]).read_to_end(&mut content).unwrap();
        assert_eq!(content, plain);
        let refuses = Request::get("/console/any/app.js").header(header::ACCEPT_ENCODING, "gzip;q=0, br");
        let (_, headers, _) = send(refuses.body(Body::empty()).unwrap()).await;
        assert!(!headers.contains_key(header::CONTENT_ENCODING));
    }

    #[tokio::test]
    async fn the_recorded_event_gets_the_file_of_now_which_is_not_kept() {
        let event = include_str!("../../../events/console.json");
        let (status, headers, _) = send(lambda::http::request_from_event(event).unwrap()).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(headers[header::CACHE_CONTROL], REVALIDATED);
    }

    #[tokio::test]
    async fn a_known_page_is_not_sent_again() {
        let (_, headers, _) = get_path("/").await;
        let request = Request::get("/").header(header::IF_NONE_MATCH, &headers[header::ETAG]);
        assert_eq!(send(request.body(Body::empty()).unwrap()).await.0, StatusCode::NOT_MODIFIED);
    }
}
