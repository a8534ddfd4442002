//! What the API says of itself, and whether that is so.

use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::Api;

fn operations(description: &Value) -> Vec<(String, Method, Value)> {
    let paths = description["paths"].as_object().unwrap();
    let mut operations = Vec::new();
    // The search function answers its own routes.
    for (path, item) in paths.iter().filter(|(path, _)| !path.starts_with("/api/v2/search")) {
        for (method, operation) in item.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            operations.push((path.clone(), method, operation.clone()));
        }
    }
    operations
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_described_route_exists_and_asks_for_a_caller_as_described(pool: PgPool) {
    let api = Api::new(pool);
    let description = api.get("/api/openapi.json", "").await.expect(200);
    assert_eq!(description["openapi"], "3.1.0");
    assert!(description["paths"]["/api/v2/search"]["post"].is_object());
    assert_no_dangling_reference(&description, &description);
    let operations = operations(&description);
    assert!(operations.len() >= 24, "{}", operations.len());
    for (path, method, operation) in operations {
        let is_public = operation["x-access"] == "nobody";
        assert!(operation["x-access"].is_string(), "{method} {path} does not say what it needs");
        assert_eq!(operation["security"].is_null(), is_public, "{method} {path}");
        assert!(is_public || operation["responses"]["401"].is_object(), "{method} {path}");
        let uri = path
            .replace("{source_id}", "1")
            .replace("{connector_type}", "s3")
            .replace("{collection_id}", "00000000-0000-0000-0000-000000000000")
            .replace("{document_id}", "00000000-0000-0000-0000-000000000000")
            .replace("{upload_id}", "00000000-0000-0000-0000-000000000000")
            .replace("{operation_id}", "00000000-0000-0000-0000-000000000000");
        assert!(!uri.contains('{'), "{uri}");
        let answer = api.send(method.clone(), &uri, "", Some(&json!({}))).await;
        assert_ne!(answer.status.as_u16(), 405, "{method} {path}");
        let described = operation["responses"].get(answer.status.as_str());
        assert!(described.is_some(), "{method} {path} answers {} undescribed", answer.status);
        if !is_public {
            answer.expect(401);
        }
    }
}

fn assert_no_dangling_reference(description: &Value, part: &Value) {
    match part {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                let found = description.pointer(reference.trim_start_matches('#'));
                assert!(found.is_some(), "{reference} leads nowhere");
            }
            fields.values().for_each(|field| assert_no_dangling_reference(description, field));
        }
        Value::Array(items) => items.iter().for_each(|item| assert_no_dangling_reference(description, item)),
        _ => {}
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn readiness_names_the_parts_that_are_down(pool: PgPool) {
    let api = Api::new(pool);
    for path in ["/health", "/healthz", "/api/health", "/api/health/"] {
        assert_eq!(api.get(path, "").await.expect(200), json!({ "status": "healthy" }));
    }
    assert_eq!(api.get("/readyz", "").await.problem(503), "not ready: no answer from bucket and qdrant");
    let info = api.get("/api/v2/system/info", "").await.expect(200);
    insta::assert_json_snapshot!(info, {".version" => "[version]"}, @r#"
    {
      "default_embedding_model": "sentence-transformers/all-MiniLM-L6-v2",
      "embedding_models": [
        {
          "dimension": 384,
          "max_tokens": 256,
          "name": "sentence-transformers/all-MiniLM-L6-v2"
        }
      ],
      "limits": {
        "directory_sources": true,
        "max_upload_bytes": 5368709120,
        "upload_url_seconds": 3600
      },
      "name": "semantik",
      "version": "[version]"
    }
    "#);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn bodies_that_are_not_what_they_should_be_are_problems(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let missing = api.post("/api/v2/collections", &token, json!({})).await.problem(422);
    assert!(missing.contains("missing field `name`"), "{missing}");
    let mistyped =
        api.post("/api/v2/collections", &token, json!({ "name": "c", "chunk_size": "x" })).await.problem(422);
    assert!(mistyped.contains("chunk_size"), "{mistyped}");
    let no_json = api.send(Method::POST, "/api/v2/collections", &token, None).await.problem(415);
    assert!(no_json.contains("application/json"), "{no_json}");
    api.get("/api/v3/nothing", &token).await.problem(404);
    api.delete("/api/v2/collections", &token).await.problem(405);
}
