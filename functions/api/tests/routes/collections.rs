//! Creating, listing and deleting collections.

mod integrity;
mod list;
mod reindex;
mod update;

use futures_util::future::join_all;
use serde_json::json;
use sqlx::PgPool;

use crate::harness::{Api, text};

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_collection_starts_with_defaults_and_an_operation(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let created = api.post("/api/v2/collections", &token, json!({ "name": " handbooks " })).await.expect(201);
    let id = text(&created["id"]);
    assert_eq!(created["vector_store_name"], format!("{id}_minilm-l6-v2_f16"));
    insta::assert_json_snapshot!(created, {
        ".id" => "[id]", ".owner_id" => "[id]", ".vector_store_name" => "[name]",
        ".initial_operation_id" => "[id]", ".created_at" => "[time]", ".updated_at" => "[time]",
    }, @r#"
    {
      "access": "owner",
      "chunk_overlap": 51,
      "chunk_size": 256,
      "chunking_config": {},
      "chunking_strategy": "hybrid",
      "contextualize": true,
      "created_at": "[time]",
      "description": null,
      "document_count": 0,
      "embedding_model": "sentence-transformers/all-MiniLM-L6-v2",
      "error_count": 0,
      "id": "[id]",
      "initial_operation_id": "[id]",
      "is_public": false,
      "metadata": {},
      "name": "handbooks",
      "ocr": false,
      "owner_id": "[id]",
      "quantization": "float16",
      "status": "pending",
      "status_message": null,
      "sync_interval_minutes": null,
      "sync_last_error": null,
      "sync_last_run_completed_at": null,
      "sync_last_run_started_at": null,
      "sync_last_run_status": null,
      "sync_mode": "one_time",
      "sync_next_run_at": null,
      "sync_paused_at": null,
      "total_size_bytes": 0,
      "updated_at": "[time]",
      "vector_count": 0,
      "vector_store_name": "[name]"
    }
    "#);
    // The queue cannot be reached: the operation is in the database, undispatched.
    let operation = text(&created["initial_operation_id"]);
    let shown = api.get(&format!("/api/v2/operations/{operation}"), &token).await.expect(200);
    assert_eq!((&shown["type"], &shown["status"]), (&json!("index"), &json!("pending")));
    assert_eq!(api.select("SELECT (dispatched_at IS NULL)::text FROM operations").await, "true");
    let audit = api.select(
        "SELECT action || ' ' || collection_name || ' ' || (request_id IS NOT NULL) || ' ' || (operation_id IS NOT NULL)
        FROM collection_audit_log WHERE collection_id IS NOT NULL",
    );
    assert_eq!(audit.await, "collection_created handbooks true true");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn invalid_settings_are_refused_with_the_field(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let create = |body| {
        let (api, token) = (&api, &token);
        async move { api.post("/api/v2/collections", token, body).await }
    };
    let unknown = create(json!({ "name": "c", "embedding_model": "acme/none" })).await.expect(422);
    insta::assert_json_snapshot!(unknown, {".request_id" => "[id]"}, @r#"
    {
      "detail": "embedding_model: unknown model; sentence-transformers/all-MiniLM-L6-v2 allowed, got \"acme/none\"",
      "errors": [
        {
          "field": "embedding_model",
          "message": "unknown model; sentence-transformers/all-MiniLM-L6-v2 allowed, got \"acme/none\""
        }
      ],
      "request_id": "[id]",
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
    let mut details = Vec::new();
    for body in [
        json!({ "name": "c", "chunk_size": 100, "chunk_overlap": 100 }),
        json!({ "name": "c", "chunk_size": 1000 }),
        json!({ "name": "c", "chunk_size": -1, "quantization": "float64" }),
        json!({ "name": "a/b", "chunking_strategy": "cut", "sync_mode": "continuous" }),
        json!({ "name": "  " }),
        json!({ "name": "c", "metadata": { "a": ["\u{0}"] } }),
        json!({ "name": "c", "metadata": { "a": [{ "b": f64::MAX }] } }),
    ] {
        details.push(create(body).await.problem(422));
    }
    insta::assert_snapshot!(details.join("\n"), @r#"
    chunk_overlap: 100 tokens are not less than a chunk of 100; choose 0 to 99
    chunk_size: 1000 tokens are more than the 256 that sentence-transformers/all-MiniLM-L6-v2 reads; choose 16 to 256
    quantization: unknown quantization; float32, float16, int8 allowed, got "float64"; chunk_size: out of range; 0 to 4294967295 allowed, got -1
    name: contains a character that is not allowed; all but / \ * ? < > : " | and control characters allowed, got '/'; sync_interval_minutes: is missing; a continuous collection needs 15 to 525600 minutes; chunking_strategy: unknown value; recursive or fixed or markdown or code or semantic or hierarchical or hybrid allowed, got "cut"
    name: wrong length; 1 to 255 characters allowed, got 0
    metadata: contains a NUL character; every other character is allowed
    metadata: contains a number that is too large; -1e300 to 1e300 allowed
    "#);
    assert_eq!(api.select("SELECT count(*)::text FROM collections").await, "0");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn names_are_unique_per_owner_and_free_after_deletion(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, bob) = (api.sign_up("ada").await, api.sign_up("bob").await);
    let path = api.create_collection(&ada, "notes").await;
    let taken = api.post("/api/v2/collections", &ada, json!({ "name": "Notes" })).await.problem(409);
    assert_eq!(taken, r#"you already have a collection named "Notes"; choose another name"#);
    api.create_collection(&bob, "notes").await;

    let deleted = api.delete(&path, &ada).await;
    let operation = deleted.headers["location"].to_str().unwrap().to_owned();
    deleted.expect(204);
    api.get(&path, &ada).await.expect(404);
    api.delete(&path, &ada).await.expect(404);
    assert_eq!(api.get(&operation, &ada).await.expect(200)["type"], "delete");
    api.get(&operation, &bob).await.expect(404);
    api.create_collection(&ada, "notes").await;
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn of_twenty_concurrent_creations_of_one_name_one_succeeds(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let attempts = (0..20).map(|_| api.post("/api/v2/collections", &token, json!({ "name": "notes" })));
    let mut statuses: Vec<u16> = Vec::new();
    for attempt in join_all(attempts).await {
        statuses.push(attempt.status.as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_collection_without_access_is_not_found(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, eve) = (api.sign_up("ada").await, api.sign_up("eve").await);
    let path = api.create_collection(&ada, "secrets").await;
    let nothing = "/api/v2/collections/00000000-0000-0000-0000-000000000000";
    let answer = api.get(&path, &eve).await.problem(404);
    let no_such = api.get(nothing, &eve).await.problem(404);
    let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    assert_eq!(answer.replace(&id(&path), "x"), no_such.replace(&id(nothing), "x"));
    for below in ["/documents", "/operations", "/uploads", "/sources"] {
        api.get(&format!("{path}{below}"), &eve).await.expect(404);
    }
    api.post(&format!("{path}/uploads"), &eve, json!({ "files": [{ "name": "a", "size": 1 }] }))
        .await
        .expect(404);
    api.delete(&path, &eve).await.expect(404);
    assert_eq!(api.get("/api/v2/collections", &eve).await.expect(200)["total"], 0);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn readers_of_a_public_collection_cannot_write(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, eve) = (api.sign_up("ada").await, api.sign_up("eve").await);
    let path = api.create_collection(&ada, "library").await;
    api.sql("UPDATE collections SET is_public = TRUE").await;
    assert_eq!(api.get(&path, &eve).await.expect(200)["access"], "read");
    assert_eq!(api.get("/api/v2/collections", &eve).await.expect(200)["total"], 1);
    assert_eq!(api.get("/api/v2/collections?include_public=false", &eve).await.expect(200)["total"], 0);
    let files = json!({ "files": [{ "name": "a", "size": 1 }] });
    api.post(&format!("{path}/uploads"), &eve, files).await.expect(403);
    let source = json!({ "source_path": "/srv/docs" });
    api.post(&format!("{path}/sources"), &eve, source).await.expect(403);
    api.get(&format!("{path}/sources"), &eve).await.expect(403);
    let refused = api.delete(&path, &eve).await.problem(403);
    assert!(refused.starts_with("Insufficient access to collection"), "{refused}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn lists_are_paged(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    for name in ["a", "b", "c"] {
        api.create_collection(&token, name).await;
    }
    let page = api.get("/api/v2/collections?page=2&per_page=2", &token).await.expect(200);
    assert_eq!((&page["total"], &page["page"], &page["per_page"]), (&json!(3), &json!(2), &json!(2)));
    assert_eq!(page["collections"][0]["name"], "a");
    let wrong = api.get("/api/v2/collections?per_page=0", &token).await.problem(422);
    assert_eq!(wrong, "per_page: out of range; 1 to 100 allowed, got 0");
}
