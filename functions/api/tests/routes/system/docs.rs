//! The API reference page.

use http::header;
use serde_json::Value;
use sqlx::PgPool;

use crate::harness::{Api, text};

/// Returns the assets that a page or script loads: `src="docs/page.js"`, `from "./dom.js"`.
fn named_files(source: &str) -> Vec<&str> {
    let quoted = source.split('"').skip(1).step_by(2);
    quoted
        .filter_map(|text| text.strip_prefix("docs/").or_else(|| text.strip_prefix("./")))
        .filter(|file| !file.is_empty())
        .collect()
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn page_loads_only_same_origin_assets(pool: PgPool) {
    let api = Api::new(pool);
    let page = api.get("/api/docs", "").await;
    assert_eq!(page.headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
    // The browser blocks anything from another origin.
    let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");

    let mut pending = vec![("page".to_owned(), page)];
    let mut seen: Vec<String> = Vec::new();
    while let Some((name, answer)) = pending.pop() {
        assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{name}");
        let source = text(&answer.expect(200));
        for file in named_files(&source) {
            if !seen.iter().any(|known| known == file) {
                seen.push(file.to_owned());
                pending.push((file.to_owned(), api.get(&format!("/api/docs/{file}"), "").await));
            }
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, ["call.js", "dom.js", "icon.svg", "page.css", "page.js", "schema.js"]);
    let missing = api.get("/api/docs/other.js", "").await.expect(404);
    assert_eq!(missing["status"], Value::from(404));
}
